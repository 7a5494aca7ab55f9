//! The pages of the examples in a real, headless Chromium.

mod chromium {
    mod pay;
}
