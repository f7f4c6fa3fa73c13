//! A terminal's screen as SVG.

use std::fmt::Write as _;

const CELL_WIDTH: f32 = 8.4;
const CELL_HEIGHT: f32 = 18.0;

/// The screen as it is, on a dark or on a light background.
pub fn svg(screen: &vt100::Screen, light: bool) -> String {
    let (rows, columns) = screen.size();
    let (rows, columns) = (rows.get(), columns.get());
    let (background, foreground) = if light { ("#ffffff", "#24292f") } else { ("#0d1117", "#d0d7de") };
    let (width, height) = (f32::from(columns) * CELL_WIDTH + 24.0, f32::from(rows) * CELL_HEIGHT + 24.0);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"ui-monospace, \
         SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" font-size=\"14\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{background}\"/>\n"
    );
    for row in 0..rows {
        let mut column = 0;
        while column < columns {
            let run = run_at(screen, row, column, columns);
            draw(&mut text, screen, row, column, run, (background, foreground), light);
            column += run;
        }
    }
    text.push_str("</svg>\n");
    text
}

/// How many cells from here on share a style.
fn run_at(screen: &vt100::Screen, row: u16, column: u16, columns: u16) -> u16 {
    let style = |column| {
        screen.cell(row, column).map(|cell| {
            (cell.fgcolor(), cell.bgcolor(), cell.bold(), cell.dim(), cell.italic(), cell.underline(), cell.inverse())
        })
    };
    let first = style(column);
    (column + 1..columns).take_while(|next| style(*next) == first).count() as u16 + 1
}

fn draw(
    text: &mut String,
    screen: &vt100::Screen,
    row: u16,
    column: u16,
    run: u16,
    (background, foreground): (&str, &str),
    light: bool,
) {
    let Some(cell) = screen.cell(row, column) else { return };
    let mut ink = color(cell.fgcolor(), light).unwrap_or_else(|| foreground.to_owned());
    let mut paper = color(cell.bgcolor(), light);
    if cell.inverse() {
        (ink, paper) = (paper.unwrap_or_else(|| background.to_owned()), Some(ink));
    }
    let (x, y) = (12.0 + f32::from(column) * CELL_WIDTH, 12.0 + f32::from(row) * CELL_HEIGHT);
    let width = f32::from(run) * CELL_WIDTH;
    if let Some(paper) = paper {
        let _ = writeln!(
            text,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{CELL_HEIGHT}\" fill=\"{paper}\"/>"
        );
    }
    let content: String = (column..column + run)
        .filter_map(|column| screen.cell(row, column))
        .map(|cell| if cell.has_contents() { cell.contents() } else { " " })
        .collect();
    if content.trim().is_empty() {
        return;
    }
    let mut style = String::new();
    if cell.bold() {
        style.push_str(" font-weight=\"bold\"");
    }
    if cell.dim() {
        style.push_str(" opacity=\"0.6\"");
    }
    if cell.italic() {
        style.push_str(" font-style=\"italic\"");
    }
    if cell.underline() {
        style.push_str(" text-decoration=\"underline\"");
    }
    let escaped = content.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let baseline = y + CELL_HEIGHT * 0.76;
    let _ = writeln!(
        text,
        "<text x=\"{x:.1}\" y=\"{baseline:.1}\" fill=\"{ink}\" textLength=\"{width:.1}\" lengthAdjust=\"spacingAndGlyphs\" \
         xml:space=\"preserve\"{style}>{escaped}</text>"
    );
}

fn color(color: vt100::Color, light: bool) -> Option<String> {
    const DARK: [&str; 16] = [
        "#484f58", "#ff7b72", "#3fb950", "#d29922", "#58a6ff", "#bc8cff", "#39c5cf", "#b1bac4", "#6e7681", "#ffa198",
        "#56d364", "#e3b341", "#79c0ff", "#d2a8ff", "#56d4dd", "#ffffff",
    ];
    const LIGHT: [&str; 16] = [
        "#24292f", "#cf222e", "#116329", "#7d4e00", "#0969da", "#8250df", "#1b7c83", "#6e7781", "#57606a", "#a40e26",
        "#1a7f37", "#633c01", "#218bff", "#a475f9", "#3192aa", "#8c959f",
    ];
    match color {
        vt100::Color::Default => None,
        vt100::Color::Idx(index) => {
            let table = if light { LIGHT } else { DARK };
            Some(table.get(usize::from(index)).map_or_else(|| "#8b949e".to_owned(), |name| (*name).to_owned()))
        }
        vt100::Color::Rgb(red, green, blue) => Some(format!("#{red:02x}{green:02x}{blue:02x}")),
    }
}
