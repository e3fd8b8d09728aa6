//! Tables that fit a terminal of 80 columns.

use comfy_table::{ContentArrangement, Table, presets};

/// A plain table with a header.
pub(super) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    if table.width().is_none() {
        table.set_width(80);
    }
    table.set_header(header.to_vec());
    table
}
