//! The attributes, seen from outside: what compiles, what does not and in which words, and what it does.

mod behaviour;
mod diagnostics;
mod endpoints;
mod linking;
