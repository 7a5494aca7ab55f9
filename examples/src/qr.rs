//! QR codes as SVG.

use std::fmt;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use qrcode::render::svg::Color;
use qrcode::{EcLevel, QrCode};

/// The text is too long for a QR code. As a response it is a 400: the only long part of an address
/// is the host, which the client names.
#[derive(Debug)]
pub struct QrError;

impl fmt::Display for QrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the address of this page is too long for a QR code")
    }
}

impl std::error::Error for QrError {}

impl IntoResponse for QrError {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, self.to_string()).into_response()
    }
}

/// The longest side of a code. Its squares are whole pixels, so it is mostly a little smaller.
const MAX_PIXELS: u32 = 200;

/// `text` as a QR code: an `<svg>` element of at most 200 pixels a side, without the white margin
/// that a page has to leave around it (four of its squares).
///
/// # Errors
/// [`QrError`] for a text that fits no QR code (about 2300 bytes).
pub fn qr_svg(text: &str) -> Result<String, QrError> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).map_err(|_| QrError)?;
    let svg = code
        .render::<Color<'_>>()
        .quiet_zone(false)
        .max_dimensions(MAX_PIXELS, MAX_PIXELS)
        .dark_color(Color("#0b1220"))
        .light_color(Color("#ffffff"))
        .build();
    // The XML declaration belongs to a file of its own, not into a page.
    Ok(svg.split_once("?>").map_or(svg.clone(), |(_, element)| element.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_becomes_one_svg_element_and_a_huge_one_an_error() {
        let svg = qr_svg("http://127.0.0.1:8080/pay-callback?payRecordId=123").unwrap();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>"), "{svg}");
        assert!(qr_svg(&"x".repeat(8000)).is_err());
    }
}
