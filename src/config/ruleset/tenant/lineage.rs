//! Checks the parents of tenants: every parent must exist, a line from the root must be right, and there must be no
//! cycle.

use std::path::PathBuf;

use super::super::super::report::Fault;
use super::super::super::{Diagnostic, Severity};
use super::super::files::Position;
use super::{Guesses, One, Parent, Reading, place};
use crate::rules::TenantDef;

/// The tenants with their parents, in the order of the files, and the faults of the parents.
pub(super) fn judge(
    reading: Reading,
    names: &[PathBuf],
    is_whole: bool,
) -> (Vec<TenantDef>, Vec<Diagnostic>) {
    let mut family = Family { parents: Vec::new(), names, found: Vec::new(), reading };
    family.find_parents(is_whole);
    let is_cyclic = family.find_cycles();
    family.compare_lines(&is_cyclic);
    let Family { parents, found, reading, .. } = family;
    let ids: Vec<_> = reading.list.iter().map(|one| one.definition.id.clone()).collect();
    let mut list: Vec<_> = reading.list.into_iter().zip(parents).collect();
    list.sort_by_key(|(one, _)| one.key.order());
    let with_parent = |(one, parent): (One, Option<usize>)| {
        let parent = parent.and_then(|at| ids.get(at)).cloned();
        TenantDef { parent, ..one.definition }
    };
    (list.into_iter().map(with_parent).collect(), found)
}

/// How many tenants of a cycle are named at most.
const SHOWN: usize = 10;

struct Family<'a> {
    reading: Reading,
    /// The parent of each tenant.
    parents: Vec<Option<usize>>,
    names: &'a [PathBuf],
    found: Vec<Diagnostic>,
}

impl Family<'_> {
    fn member(&self, at: usize) -> Option<&One> {
        self.reading.list.get(at)
    }

    fn id(&self, at: usize) -> &str {
        self.member(at).map_or("", |one| &one.definition.id)
    }

    fn parent(&self, at: usize) -> Option<usize> {
        *self.parents.get(at)?
    }

    /// The tenant with exactly this id.
    fn by_id(&self, id: &str) -> Option<usize> {
        let at = *self.reading.ids.get(&*id.to_ascii_lowercase())?;
        (self.id(at) == id).then_some(at)
    }

    fn error(&mut self, fault: Fault, at: Position) {
        let diagnostic = fault.into_diagnostic(Severity::Error, place(at, self.names));
        self.found.push(diagnostic);
    }

    fn find_parents(&mut self, is_whole: bool) {
        let mut guesses = Guesses::default();
        let mut missing = Vec::new();
        for one in &self.reading.list {
            let Some(Parent { line, .. }) = &one.parent else {
                self.parents.push(None);
                continue;
            };
            for (id, at) in line.iter().filter(|(id, _)| is_whole && self.by_id(id).is_none()) {
                let known = self.reading.list.iter().map(|one| &*one.definition.id);
                missing.push((guesses.unknown(id, known), *at));
            }
            self.parents.push(line.last().and_then(|(id, _)| self.by_id(id)));
        }
        missing.into_iter().for_each(|(fault, at)| self.error(fault, at));
    }

    /// Reports every cycle once. Returns for each tenant whether it is in a cycle or below one.
    fn find_cycles(&mut self) -> Vec<bool> {
        #[derive(Clone, Copy, PartialEq)]
        enum State {
            New,
            Open,
            Free,
            Cyclic,
        }
        let mut states = vec![State::New; self.parents.len()];
        let state = |states: &[State], at: usize| states.get(at).copied().unwrap_or(State::Free);
        for start in 0..self.parents.len() {
            let (mut way, mut next) = (Vec::new(), Some(start));
            while let Some(at) = next.filter(|at| state(&states, *at) == State::New) {
                if let Some(state) = states.get_mut(at) {
                    *state = State::Open;
                }
                way.push(at);
                next = self.parent(at);
            }
            let end = next.map_or(State::Free, |at| state(&states, at));
            if end == State::Open {
                let cycle = way.iter().position(|at| Some(*at) == next).and_then(|from| way.get(from..));
                self.report_cycle(cycle.unwrap_or_default());
            }
            let verdict = if end == State::Free { State::Free } else { State::Cyclic };
            for at in way {
                if let Some(state) = states.get_mut(at) {
                    *state = verdict;
                }
            }
        }
        states.into_iter().map(|state| state == State::Cyclic).collect()
    }

    /// The report is placed at the tenant that comes first in the files.
    fn report_cycle(&mut self, cycle: &[usize]) {
        let order = |at: &usize| self.member(*at).map(|one| one.key.order());
        let first = cycle.iter().enumerate().min_by_key(|(_, at)| order(at)).map_or(0, |(nth, _)| nth);
        let in_turn: Vec<usize> = cycle.iter().cycle().skip(first).take(cycle.len() + 1).copied().collect();
        let [start, next, ..] = in_turn[..] else { return };
        let Some(at) = self.member(start).and_then(|one| one.parent.as_ref()).map(|parent| parent.at) else {
            return;
        };
        let fault = if start == next {
            Fault::new(format!("the tenant {} is its own parent", self.id(start)))
                .help("leave `parent` out where a tenant belongs to none")
        } else {
            let mut shown: Vec<_> = in_turn.iter().map(|at| self.id(*at)).collect();
            if shown.len() > SHOWN {
                shown.splice(SHOWN - 1..shown.len() - 1, ["\u{2026}"]);
            }
            let shown = shown.join(" -> ");
            let fault = Fault::new(format!("these tenants belong to each other in a circle: {shown}"));
            let last = in_turn.iter().rev().nth(1).and_then(|at| self.member(*at)?.parent.as_ref());
            let fault = fault.help("one of them must have another parent, or none");
            match last {
                Some(last) => fault.related(place(last.at, self.names), "this closes the circle"),
                None => fault,
            }
        };
        self.error(fault, at);
    }

    /// Checks that each line from the root is the actual one.
    fn compare_lines(&mut self, is_cyclic: &[bool]) {
        let mut wrong = Vec::new();
        for (one, is_cyclic) in self.reading.list.iter().zip(is_cyclic) {
            let Some(parent) = one.parent.as_ref().filter(|parent| parent.is_whole && !is_cyclic) else {
                continue;
            };
            wrong.extend(self.disagreement(parent));
        }
        wrong.into_iter().for_each(|(fault, at)| self.error(fault, at));
    }

    /// The first disagreement. `None`: the line is right, or a tenant in it does not exist, which was reported.
    fn disagreement(&self, parent: &Parent) -> Option<(Fault, Position)> {
        let line: Vec<usize> =
            parent.line.iter().map(|(id, _)| self.by_id(id)).collect::<Option<Vec<_>>>()?;
        let last = *line.last()?;
        let mut there: Vec<usize> = std::iter::successors(Some(last), |at| self.parent(*at)).collect();
        there.reverse();
        if there == line {
            return None;
        }
        // Compares from the parent up to the first tenant whose actual parent differs from the line.
        let same = there.iter().rev().zip(line.iter().rev()).take_while(|(one, other)| one == other).count();
        let below = *line.iter().rev().nth(same.checked_sub(1)?)?;
        let at = parent.line.iter().rev().nth(same).map_or(parent.at, |(_, at)| *at);
        let ids: Vec<_> = there.iter().map(|at| format!("\"{}\"", self.id(*at))).collect();
        let label = match self.parent(below) {
            Some(above) => format!("the parent of {} is {}", self.id(below), self.id(above)),
            None => format!("{} has no parent", self.id(below)),
        };
        let fault = Fault::new("this is not the line of tenants from the root").label(label).help(format!(
            "write parent = [{}], or parent = \"{}\"",
            ids.join(", "),
            self.id(last)
        ));
        let said = self.member(below)?;
        let said = said.parent.as_ref().map_or(said.key, |parent| parent.at);
        Some((fault.related(place(said, self.names), "said here"), at))
    }
}
