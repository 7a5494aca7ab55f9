//! What the program `pay` answers, byte for byte, to clients of every kind.

mod pay {
    mod callback;
    mod ending;
    mod page;
    mod push;
}
