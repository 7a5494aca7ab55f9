//! What is stored in the program's own transaction.
