//! The choices that are made by keys: the pane, its order, and its scroll position. Pure.

use std::ops::{Index, IndexMut};

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// The panes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Pane {
    /// The rates of each service.
    Rates,
    /// The newest decisions.
    #[default]
    Decisions,
    /// The busiest hosts.
    Hosts,
    /// The busiest clients.
    Clients,
    /// The clients that are refused most.
    Refused,
    /// Targets.
    Targets,
    /// The blacklist.
    Blacklist,
}

impl Pane {
    /// All panes, in the order of their keys.
    pub(super) const ALL: [Self; 7] = [
        Self::Rates,
        Self::Decisions,
        Self::Hosts,
        Self::Clients,
        Self::Refused,
        Self::Targets,
        Self::Blacklist,
    ];

    /// The name above the pane.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Rates => "Rates",
            Self::Decisions => "Decisions",
            Self::Hosts => "Hosts",
            Self::Clients => "Clients",
            Self::Refused => "Refused",
            Self::Targets => "Targets",
            Self::Blacklist => "Blacklist",
        }
    }
}

/// How one pane is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Shown {
    /// The column by which it is sorted. `None`: in the daemon's order.
    pub(super) sort: Option<usize>,
    /// Whether the order is reversed.
    pub(super) reversed: bool,
    /// How many rows are above the first visible one.
    pub(super) scroll: usize,
}

/// How each pane is shown.
#[derive(Debug, Default)]
struct PerPane {
    rates: Shown,
    decisions: Shown,
    hosts: Shown,
    clients: Shown,
    refused: Shown,
    targets: Shown,
    blacklist: Shown,
}

impl Index<Pane> for PerPane {
    type Output = Shown;

    fn index(&self, pane: Pane) -> &Shown {
        match pane {
            Pane::Rates => &self.rates,
            Pane::Decisions => &self.decisions,
            Pane::Hosts => &self.hosts,
            Pane::Clients => &self.clients,
            Pane::Refused => &self.refused,
            Pane::Targets => &self.targets,
            Pane::Blacklist => &self.blacklist,
        }
    }
}

impl IndexMut<Pane> for PerPane {
    fn index_mut(&mut self, pane: Pane) -> &mut Shown {
        match pane {
            Pane::Rates => &mut self.rates,
            Pane::Decisions => &mut self.decisions,
            Pane::Hosts => &mut self.hosts,
            Pane::Clients => &mut self.clients,
            Pane::Refused => &mut self.refused,
            Pane::Targets => &mut self.targets,
            Pane::Blacklist => &mut self.blacklist,
        }
    }
}

/// The settings of all panes, and the chosen pane.
#[derive(Debug, Default)]
pub(super) struct Panes {
    chosen: Pane,
    shown: PerPane,
    paused: bool,
    help: bool,
    /// How many rows the chosen pane shows at a time, and how many columns it has, when it was last drawn.
    size: (usize, usize),
}

/// What follows after a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// The screen is drawn again.
    Draw,
    /// The program ends.
    Quit,
}

impl Panes {
    /// The chosen pane.
    pub(super) fn chosen(&self) -> Pane {
        self.chosen
    }

    /// The settings of a pane.
    pub(super) fn of(&self, pane: Pane) -> Shown {
        self.shown[pane]
    }

    /// Whether new answers are ignored.
    pub(super) fn is_paused(&self) -> bool {
        self.paused
    }

    /// Whether the keys are shown.
    pub(super) fn shows_help(&self) -> bool {
        self.help
    }

    /// Tells the size of the chosen pane: `rows` rows in all, how many are shown at a time, and the number of columns.
    /// The scroll position never goes beyond the end.
    pub(super) fn fit(&mut self, rows: usize, at_a_time: usize, columns: usize) {
        self.size = (at_a_time, columns);
        let most = rows.saturating_sub(at_a_time);
        let shown = self.mine();
        shown.scroll = shown.scroll.min(most);
    }

    fn mine(&mut self) -> &mut Shown {
        &mut self.shown[self.chosen]
    }

    /// Handles a key.
    pub(super) fn key(&mut self, key: KeyEvent) -> After {
        let page = self.size.0.max(1);
        match key.code {
            KeyCode::Char('c' | 'd') if key.modifiers.contains(KeyModifiers::CONTROL) => return After::Quit,
            KeyCode::Char('q') => return After::Quit,
            KeyCode::Esc if !self.help => return After::Quit,
            KeyCode::Char('?') => self.help = !self.help,
            _ if std::mem::take(&mut self.help) => {}
            KeyCode::Char(digit @ '1'..='7') => {
                let at = usize::from(u8::try_from(digit).unwrap_or(b'1') - b'1');
                self.chosen = Pane::ALL.get(at).copied().unwrap_or_default();
            }
            KeyCode::Tab | KeyCode::Right => self.turn(1),
            KeyCode::BackTab | KeyCode::Left => self.turn(Pane::ALL.len() - 1),
            KeyCode::Down | KeyCode::Char('j') => self.scroll(|at| at.saturating_add(1)),
            KeyCode::Up | KeyCode::Char('k') => self.scroll(|at| at.saturating_sub(1)),
            KeyCode::PageDown => self.scroll(|at| at.saturating_add(page)),
            KeyCode::PageUp => self.scroll(|at| at.saturating_sub(page)),
            KeyCode::Home => self.scroll(|_| 0),
            KeyCode::End => self.scroll(|_| usize::MAX),
            KeyCode::Char('s') => self.sort(),
            KeyCode::Char('r') => self.mine().reversed ^= true,
            KeyCode::Char('p' | ' ') => self.paused ^= true,
            _ => {}
        }
        After::Draw
    }

    fn turn(&mut self, by: usize) {
        let at = (self.chosen as usize + by) % Pane::ALL.len();
        self.chosen = Pane::ALL.get(at).copied().unwrap_or_default();
    }

    fn scroll(&mut self, to: impl FnOnce(usize) -> usize) {
        let shown = self.mine();
        shown.scroll = to(shown.scroll);
    }

    fn sort(&mut self) {
        let columns = self.size.1;
        let shown = self.mine();
        shown.sort = Some(shown.sort.map_or(0, |at| at + 1)).filter(|at| *at < columns);
        shown.scroll = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(panes: &mut Panes, codes: &[KeyCode]) -> After {
        let mut after = After::Draw;
        for code in codes {
            after = panes.key(KeyEvent::new(*code, KeyModifiers::NONE));
        }
        after
    }

    #[test]
    fn keys_choose_panes_in_a_circle() {
        let mut panes = Panes::default();
        assert_eq!(panes.chosen(), Pane::Decisions);
        for (digit, pane) in ('1'..).zip(Pane::ALL) {
            press(&mut panes, &[KeyCode::Char(digit)]);
            assert_eq!(panes.chosen(), pane);
            assert_eq!(pane as usize, usize::from(digit as u8 - b'1'));
        }
        press(&mut panes, &[KeyCode::Tab]);
        assert_eq!(panes.chosen(), Pane::Rates);
        press(&mut panes, &[KeyCode::BackTab, KeyCode::Left]);
        assert_eq!(panes.chosen(), Pane::Targets);
    }

    #[test]
    fn each_pane_has_an_order_and_a_place_of_its_own() {
        let mut panes = Panes::default();
        panes.fit(30, 10, 3);
        press(&mut panes, &[KeyCode::Down, KeyCode::PageDown, KeyCode::Char('r')]);
        assert_eq!(panes.of(Pane::Decisions), Shown { sort: None, reversed: true, scroll: 11 });
        press(&mut panes, &[KeyCode::End]);
        panes.fit(30, 10, 3);
        assert_eq!(panes.of(Pane::Decisions).scroll, 20);
        press(&mut panes, &[KeyCode::Char('6'), KeyCode::Char('s'), KeyCode::Char('s')]);
        assert_eq!(panes.of(Pane::Targets).sort, Some(1));
        assert_eq!(panes.of(Pane::Decisions).scroll, 20);
        press(&mut panes, &[KeyCode::Char('s'), KeyCode::Char('s')]);
        assert_eq!(
            panes.of(Pane::Targets).sort,
            None,
            "after the last column comes the daemon's order again"
        );
        panes.fit(3, 10, 3);
        assert_eq!(panes.of(Pane::Targets).scroll, 0);
    }

    #[test]
    fn keys_end_it_and_help_is_left_by_any_key() {
        let mut panes = Panes::default();
        assert_eq!(press(&mut panes, &[KeyCode::Char('?')]), After::Draw);
        assert!(panes.shows_help());
        assert_eq!(press(&mut panes, &[KeyCode::Esc]), After::Draw);
        assert!(!panes.shows_help());
        for quit in [KeyCode::Esc, KeyCode::Char('q')] {
            assert_eq!(press(&mut panes, &[quit]), After::Quit);
        }
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(panes.key(interrupt), After::Quit);
        press(&mut panes, &[KeyCode::Char('p')]);
        assert!(panes.is_paused());
    }
}
