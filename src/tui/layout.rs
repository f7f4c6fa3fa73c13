//! Where things are: a pure function of the size, so that drawing and mouse clicks share one truth.

use ratatui::layout::Rect;

/// A pane that can have the focus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Pane {
    /// The conversation and the input.
    #[default]
    Prompt,
    /// Tiers and backends.
    Tiers,
    /// Latency charts.
    Latency,
    /// GPUs.
    Gpu,
    /// Money.
    Cost,
    /// What was decided, done and observed.
    Decisions,
    /// Every request that passed.
    Requests,
    /// Every model.
    Models,
    /// Where the money went and where it is going.
    Spend,
    /// The program's log.
    Log,
    /// One prompt's answers side by side.
    Compare,
}

impl Pane {
    /// The panes of the dashboard, in the order of the focus and of the number keys.
    pub const BOARD: [Self; 6] = [Self::Prompt, Self::Tiers, Self::Latency, Self::Gpu, Self::Cost, Self::Decisions];
    /// Those that have the whole screen to themselves.
    pub const SCREENS: [Self; 5] = [Self::Requests, Self::Models, Self::Spend, Self::Log, Self::Compare];
    /// Every pane, by [`Pane::index`].
    pub const ALL: [Self; 11] = [
        Self::Prompt,
        Self::Tiers,
        Self::Latency,
        Self::Gpu,
        Self::Cost,
        Self::Decisions,
        Self::Requests,
        Self::Models,
        Self::Spend,
        Self::Log,
        Self::Compare,
    ];

    /// Its title.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prompt => "prompt",
            Self::Tiers => "tiers",
            Self::Latency => "latency",
            Self::Gpu => "gpu",
            Self::Cost => "cost",
            Self::Decisions => "decisions",
            Self::Requests => "requests",
            Self::Models => "models",
            Self::Spend => "spend",
            Self::Log => "log",
            Self::Compare => "compare",
        }
    }

    /// Whether it has the whole screen to itself.
    #[must_use]
    pub const fn is_screen(self) -> bool {
        matches!(self, Self::Requests | Self::Models | Self::Spend | Self::Log | Self::Compare)
    }

    /// The key that leads to it, as its title shows it.
    #[must_use]
    pub const fn key(self) -> char {
        match self {
            Self::Prompt => '1',
            Self::Tiers => '2',
            Self::Latency => '3',
            Self::Gpu => '4',
            Self::Cost => '5',
            Self::Decisions => '6',
            Self::Requests => '7',
            Self::Models => '8',
            Self::Spend => '9',
            Self::Log => '0',
            Self::Compare => 'c',
        }
    }

    /// Its place in [`Pane::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// The class of a size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Size {
    /// Smaller than 50x12: a line of state and the input.
    #[default]
    Tiny,
    /// One pane at a time.
    Small,
    /// Every pane, closely set.
    Medium,
    /// Every pane with room.
    Large,
}

impl Size {
    /// The class of an area.
    #[must_use]
    pub const fn of(area: Rect) -> Self {
        match (area.width, area.height) {
            (120.., 36..) => Self::Large,
            (80.., 24..) => Self::Medium,
            (50.., 12..) => Self::Small,
            _ => Self::Tiny,
        }
    }
}

/// What the layout depends on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes {
    /// The pane with the focus.
    pub focus: Pane,
    /// Whether it fills the screen.
    pub zoomed: bool,
    /// Rows of the fleet, so that the tier pane is no taller than it needs.
    pub fleet_rows: u16,
    /// Whether there is a warning to show.
    pub warning: bool,
}

/// The rectangles of a screen. What is not shown has no area.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// The class of the size.
    pub size: Size,
    /// The first line.
    pub header: Rect,
    /// The worst warning.
    pub warning: Rect,
    /// Panes, by [`Pane::index`].
    pub panes: [Rect; 11],
    /// The last line.
    pub footer: Rect,
}

impl Layout {
    /// The area of a pane.
    #[must_use]
    pub const fn pane(&self, pane: Pane) -> Rect {
        self.panes[pane.index()]
    }

    /// The pane at a position.
    #[must_use]
    pub fn at(&self, column: u16, row: u16) -> Option<Pane> {
        Pane::ALL.into_iter().find(|pane| self.pane(*pane).contains((column, row).into()))
    }

    /// Lays the screen out.
    #[must_use]
    pub fn of(area: Rect, wishes: Wishes) -> Self {
        let size = Size::of(area);
        let mut layout = Self { size, ..Self::default() };
        let mut rest = area;
        layout.header = take_top(&mut rest, 1);
        if size == Size::Tiny {
            layout.panes[wishes.focus.index()] = rest;
            return layout;
        }
        layout.footer = take_bottom(&mut rest, 1);
        // Lower still, the header alone says that there are warnings.
        if wishes.warning && area.height >= 24 {
            layout.warning = take_top(&mut rest, 1);
        }
        if wishes.zoomed || wishes.focus.is_screen() || size == Size::Small {
            layout.panes[wishes.focus.index()] = rest;
        } else if size == Size::Large {
            layout.large(rest, wishes);
        } else {
            layout.medium(rest);
        }
        layout
    }

    fn large(&mut self, mut rest: Rect, wishes: Wishes) {
        // The talk with a model needs room below, charts gain little from more than half the height.
        let upper_rows = (wishes.fleet_rows + 13).max(rest.height / 2).min(rest.height * 16 / 25).max(19);
        let upper = take_top(&mut rest, upper_rows);
        let (left, right) = split_across(upper, (u32::from(upper.width) * 58 / 100) as u16);
        let fleet = (wishes.fleet_rows + 3).clamp(7, left.height.saturating_sub(8).max(7));
        let (tiers, latency) = split_down(left, fleet);
        let (gpu, cost) = split_down(right, right.height.saturating_sub(11).max(right.height / 2));
        let (prompt, decisions) = split_across(rest, rest.width * 12 / 25);
        self.place([prompt, tiers, latency, gpu, cost, decisions]);
    }

    fn medium(&mut self, mut rest: Rect) {
        let lower_rows = (rest.height * 2 / 5).clamp(8, 20);
        let lower = take_bottom(&mut rest, lower_rows);
        // Four rows inside: one for each tier's percentiles.
        let strip_rows = 6.min(rest.height / 2);
        let strips = take_bottom(&mut rest, strip_rows);
        let third = strips.width * 36 / 100;
        let (latency, machines) = split_across(strips, third);
        let (gpu, cost) = split_across(machines, machines.width / 2);
        let (prompt, decisions) = split_across(lower, lower.width / 2);
        self.place([prompt, rest, latency, gpu, cost, decisions]);
    }

    /// The panes of the dashboard, in the order of [`Pane::BOARD`].
    fn place(&mut self, panes: [Rect; 6]) {
        self.panes[..6].copy_from_slice(&panes);
    }
}

fn take_top(rest: &mut Rect, rows: u16) -> Rect {
    let (top, bottom) = split_down(*rest, rows);
    *rest = bottom;
    top
}

fn take_bottom(rest: &mut Rect, rows: u16) -> Rect {
    let (top, bottom) = split_down(*rest, rest.height.saturating_sub(rows));
    *rest = top;
    bottom
}

/// Cuts an area below so many rows.
#[must_use]
pub fn split_down(area: Rect, rows: u16) -> (Rect, Rect) {
    let rows = rows.min(area.height);
    let top = Rect { height: rows, ..area };
    let bottom = Rect { y: area.y.saturating_add(rows), height: area.height - rows, ..area };
    (top, bottom)
}

/// Cuts an area right of so many columns.
#[must_use]
pub fn split_across(area: Rect, columns: u16) -> (Rect, Rect) {
    let columns = columns.min(area.width);
    let left = Rect { width: columns, ..area };
    let right = Rect { x: area.x.saturating_add(columns), width: area.width - columns, ..area };
    (left, right)
}

/// An area of at most a size in the middle of another.
#[must_use]
pub fn centred(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lay(width: u16, height: u16, wishes: Wishes) -> Layout {
        Layout::of(Rect::new(0, 0, width, height), wishes)
    }

    #[test]
    fn every_pane_shows_at_once_from_80x24() {
        for (width, height) in [(80, 24), (100, 30), (120, 36), (120, 40), (200, 60), (300, 100)] {
            let layout = lay(width, height, Wishes { fleet_rows: 10, warning: true, ..Wishes::default() });
            for pane in Pane::BOARD {
                let area = layout.pane(pane);
                assert!(area.width >= 20 && area.height >= 4, "{pane:?} {area} at {width}x{height}");
            }
        }
    }

    #[test]
    fn nothing_overlaps_and_nothing_sticks_out() {
        for width in (0..220).step_by(7) {
            for height in 0..70 {
                for (zoomed, warning, fleet_rows) in [(false, false, 4), (true, true, 40), (false, true, 60)] {
                    let wishes = Wishes { zoomed, warning, fleet_rows, focus: Pane::Cost };
                    let layout = lay(width, height, wishes);
                    let mut areas = layout.panes.to_vec();
                    areas.extend([layout.header, layout.warning, layout.footer]);
                    areas.retain(|area| !area.is_empty());
                    let whole = Rect::new(0, 0, width, height);
                    for (index, area) in areas.iter().enumerate() {
                        assert_eq!(area.intersection(whole), *area, "{width}x{height}");
                        for other in &areas[index + 1..] {
                            assert!(!area.intersects(*other), "{area} {other} at {width}x{height}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_click_finds_the_pane_that_is_drawn_there() {
        let layout = lay(120, 40, Wishes { fleet_rows: 10, ..Wishes::default() });
        for pane in Pane::BOARD {
            let area = layout.pane(pane);
            assert_eq!(layout.at(area.x + 1, area.y + 1), Some(pane));
        }
        assert_eq!(layout.at(0, 0), None);
    }
}
