//! The program: arguments in, a command or the window out.

fn main() {}
