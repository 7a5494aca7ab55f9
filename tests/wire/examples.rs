//! What the examples answer, byte for byte; and that they have none of the faults of the programs
//! whose place they take.

mod examples {
    mod bell;
    mod ending;
    mod existing_axum;
    mod feed;
    mod fleet;
    mod llm_stream;
    mod order;
    mod shop;
    mod ticker;
    mod topics;
    mod tower_only;
    mod users;
}
