//! The engine on a toy model: what each request starts, as the interventions document says it.

mod edits;
mod toy;
mod watch;
