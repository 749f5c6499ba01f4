//! The engine on a toy model: what each request starts, as the interventions document says it.

mod edits;
mod life;
mod pieces;
mod scripted;
mod scripts;
mod survey;
mod time;
mod tour;
mod toy;
mod watch;
