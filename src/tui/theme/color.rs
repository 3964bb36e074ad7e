//! Colours: what the terminal can show, fitting a style to it, and the contrast of two colours.

use ratatui::style::{Color, Modifier, Style};

/// How many colours the terminal shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ColorDepth {
    /// No colour is wanted (`NO_COLOR`, no-color.org) or known (`TERM=dumb`, a vt220).
    None,
    Sixteen,
    TwoFiftySix,
    #[default]
    True,
}

impl ColorDepth {
    /// What the environment says, read through `variable` so that tests need not change the process's own.
    pub fn detect(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let term = variable("TERM").unwrap_or_default();
        if set("NO_COLOR").is_some() || matches!(term.as_str(), "dumb" | "vt100" | "vt220") {
            return Self::None;
        }
        let colorterm = variable("COLORTERM").unwrap_or_default();
        if matches!(colorterm.as_str(), "truecolor" | "24bit")
            || term.ends_with("-direct")
            || set("WT_SESSION").is_some()
        {
            return Self::True;
        }
        // These terminals always show full colour, but COLORTERM does not survive ssh and sudo.
        if ["xterm-kitty", "alacritty", "foot", "wezterm", "xterm-ghostty", "contour"]
            .iter()
            .any(|t| term.starts_with(t))
        {
            return Self::True;
        }
        if term.contains("256color") || term.starts_with("tmux") || term.starts_with("screen") {
            return Self::TwoFiftySix;
        }
        Self::Sixteen
    }
}

/// `style` with its colours replaced by the nearest the terminal can show.
pub fn degrade(style: Style, depth: ColorDepth) -> Style {
    let nearest = |color: Option<Color>| color.map(|color| nearest(color, depth));
    let mut fitted = style;
    fitted.fg = nearest(style.fg);
    fitted.bg = nearest(style.bg);
    if depth == ColorDepth::None {
        fitted.fg = None;
        // What only its ground set apart must still stand out.
        if fitted.bg.take().is_some_and(|color| color != Color::Reset) {
            fitted = fitted.add_modifier(Modifier::REVERSED);
        }
    }
    fitted
}

/// The colour of `depth` nearest to `color`.
pub fn nearest(color: Color, depth: ColorDepth) -> Color {
    match (color, depth) {
        (Color::Rgb(..), ColorDepth::True) | (Color::Indexed(_), ColorDepth::True | ColorDepth::TwoFiftySix) => color,
        (Color::Rgb(r, g, b), ColorDepth::TwoFiftySix) => Color::Indexed(index_of([r, g, b])),
        (Color::Indexed(index @ 0..=15), _) => NAMED[usize::from(index)],
        (Color::Rgb(..) | Color::Indexed(_), _) => rgb_of(color).map_or(Color::Reset, named_of),
        (named, _) => named,
    }
}

const NAMED: [Color; 16] = [
    Color::Black,
    Color::Red,
    Color::Green,
    Color::Yellow,
    Color::Blue,
    Color::Magenta,
    Color::Cyan,
    Color::Gray,
    Color::DarkGray,
    Color::LightRed,
    Color::LightGreen,
    Color::LightYellow,
    Color::LightBlue,
    Color::LightMagenta,
    Color::LightCyan,
    Color::White,
];

/// xterm's default palette of the first 16.
const SIXTEEN: [[u8; 3]; 16] = [
    [0, 0, 0],
    [205, 0, 0],
    [0, 205, 0],
    [205, 205, 0],
    [0, 0, 238],
    [205, 0, 205],
    [0, 205, 205],
    [229, 229, 229],
    [127, 127, 127],
    [255, 0, 0],
    [0, 255, 0],
    [255, 255, 0],
    [92, 92, 255],
    [255, 0, 255],
    [0, 255, 255],
    [255, 255, 255],
];

/// Levels of the 6×6×6 cube of colours 16 to 231.
const CUBE: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// Red, green and blue of a colour, xterm's where the terminal decides; none for the terminal's own default.
pub fn rgb_of(color: Color) -> Option<[u8; 3]> {
    match color {
        Color::Reset => None,
        Color::Rgb(r, g, b) => Some([r, g, b]),
        Color::Indexed(index @ 0..=15) => Some(SIXTEEN[usize::from(index)]),
        Color::Indexed(index @ 16..=231) => {
            let index = usize::from(index - 16);
            Some([CUBE[index / 36], CUBE[index / 6 % 6], CUBE[index % 6]])
        }
        Color::Indexed(index) => Some([8 + 10 * (index - 232); 3]),
        named => NAMED.iter().position(|known| *known == named).map(|index| SIXTEEN[index]),
    }
}

fn distance(a: [u8; 3], b: [u8; 3]) -> u32 {
    // Weighted for the eye ("redmean", compuphase.com/cmetric.htm), good enough to choose a neighbour.
    let mean = (u32::from(a[0]) + u32::from(b[0])) / 2;
    let square = |i: usize| u32::from(a[i].abs_diff(b[i])).pow(2);
    (((512 + mean) * square(0)) >> 8) + 4 * square(1) + (((767 - mean) * square(2)) >> 8)
}

fn index_of(rgb: [u8; 3]) -> u8 {
    (16..=255u8).min_by_key(|index| distance(rgb, rgb_of(Color::Indexed(*index)).unwrap_or_default())).unwrap_or(15)
}

fn named_of(rgb: [u8; 3]) -> Color {
    let index = (0..16).min_by_key(|index| distance(rgb, SIXTEEN[*index])).unwrap_or(7);
    NAMED[index]
}

/// Relative luminance, 0 to 1 (WCAG 2.2).
pub(super) fn luminance(rgb: [u8; 3]) -> f64 {
    let linear = |channel: u8| {
        let channel = f64::from(channel) / 255.0;
        if channel <= 0.04045 { channel / 12.92 } else { ((channel + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(rgb[0]) + 0.7152 * linear(rgb[1]) + 0.0722 * linear(rgb[2])
}

/// WCAG's contrast ratio, 1 to 21.
pub fn contrast(a: [u8; 3], b: [u8; 3]) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// `color` with `share` (0 to 1) of `other` mixed in; unchanged unless both are full colours.
pub fn blend(color: Color, other: Color, share: f64) -> Color {
    let (Color::Rgb(r1, g1, b1), Color::Rgb(r2, g2, b2)) = (color, other) else { return color };
    let mix = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * share.clamp(0.0, 1.0)).round() as u8;
    Color::Rgb(mix(r1, r2), mix(g1, g2), mix(b1, b2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(variables: &[(&str, &str)]) -> ColorDepth {
        ColorDepth::detect(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn depth_follows_the_environment() {
        assert_eq!(detect(&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")]), ColorDepth::True);
        assert_eq!(detect(&[("TERM", "xterm-256color")]), ColorDepth::TwoFiftySix);
        assert_eq!(detect(&[("TERM", "linux")]), ColorDepth::Sixteen);
        assert_eq!(detect(&[("TERM", "xterm-kitty")]), ColorDepth::True);
        assert_eq!(detect(&[("TERM", "dumb")]), ColorDepth::None);
        assert_eq!(detect(&[("NO_COLOR", "1"), ("COLORTERM", "truecolor")]), ColorDepth::None);
        assert_eq!(detect(&[("NO_COLOR", ""), ("COLORTERM", "truecolor")]), ColorDepth::True);
    }

    #[test]
    fn nearest_colours_are_the_expected_ones() {
        assert_eq!(nearest(Color::Rgb(255, 0, 0), ColorDepth::TwoFiftySix), Color::Indexed(196));
        assert_eq!(nearest(Color::Rgb(18, 18, 18), ColorDepth::TwoFiftySix), Color::Indexed(233));
        assert_eq!(nearest(Color::Rgb(250, 10, 10), ColorDepth::Sixteen), Color::LightRed);
        assert_eq!(nearest(Color::Indexed(2), ColorDepth::Sixteen), Color::Green);
        assert_eq!(nearest(Color::Reset, ColorDepth::Sixteen), Color::Reset);
    }

    #[test]
    fn contrast_of_black_and_white_is_21() {
        assert!((contrast([0; 3], [255; 3]) - 21.0).abs() < 0.01);
    }

    #[test]
    fn degrade_without_colour_reverses_what_had_a_ground() {
        let style = degrade(Style::new().fg(Color::Red).bg(Color::Blue), ColorDepth::None);
        assert_eq!(style, Style::new().add_modifier(Modifier::REVERSED));
    }
}
