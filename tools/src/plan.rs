// SPDX-License-Identifier: GPL-2.0

//! From a state to the state wanted, and the steps that lead from one to the other. Pure functions.
//!
//! The way back from any state is the plan from there to the state before: [`plan`] is its own inverse.

use std::net::{IpAddr, Ipv4Addr};

use crate::sockets::Bound;
use crate::state::{Addr6, Dev, Mark6, Route4, State, LOOPBACK};

/// One change the kernel makes in one go.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Remove this route.
    Del4(Route4),
    /// Add this route before those with the same key.
    Prepend4(Route4),
    /// Add this route behind those with the same key.
    Append4(Route4),
    /// Add this route, which leaves an address with the loopback device.
    Keep4(Route4),
    /// Remove it.
    Unkeep4(Route4),
    /// Remove ::1 from a device, and with it its route.
    Del6(Addr6),
    /// Add ::1 to a device; its route comes last.
    Add6(Addr6),
    /// Remember where a device stood.
    Mark6(Mark6),
    /// Forget it.
    Unmark6(Mark6),
}

/// The addresses to be left with the loopback device, as sockets that are bound to it have them: inside 127.0.0.0/8, but
/// for 127.0.0.1, without which there would be nothing to prefer a device for.
pub fn left4(sockets: &[Bound]) -> Vec<Ipv4Addr> {
    let mut left = Vec::new();
    for socket in sockets {
        match socket.address {
            IpAddr::V4(a) if a.is_loopback() && a != Ipv4Addr::LOCALHOST => left.push(a),
            _ => {}
        }
    }
    left.sort();
    left.dedup();
    left
}

/// `state` with `dev` first for everything it has an IPv4 route for, but for addresses of the loopback device that are
/// in `left`. Other addresses are not left with it any more.
pub fn prefer4(state: &State, dev: Dev, left: &[Ipv4Addr]) -> State {
    let mut goal = state.clone();
    let lo_has = |dst| {
        let own = state.route4(dst, false);
        own.filter(|r| left.contains(&dst) && r.dev == LOOPBACK)
    };
    for key in state.keys() {
        let mut group = state.group(key);
        if key.1 == 32 && lo_has(key.0).is_some() {
            group.retain(|r| !r.is_mark());
            goal.set_group(key, group);
            continue;
        }
        let Some(own) = group.iter().find(|r| r.dev == dev && !r.is_mark()) else {
            continue;
        };
        if group[0].dev == dev {
            continue;
        }
        let mark = own.mark();
        group.retain(|r| *r != mark);
        group.insert(0, mark);
        goal.set_group(key, group);
    }
    goal.kept4.retain(|r| left.contains(&r.dst));
    for &dst in left {
        match lo_has(dst) {
            Some(own) if !goal.on_loopback(dst) => goal.kept4.push(Route4::kept(dst, own)),
            _ => {}
        }
    }
    goal.kept4.sort_by_key(|r| r.dst);
    goal
}

/// `state` without what [`prefer4`] added for `dev`; if its own route is first even so, it goes behind the others. What
/// was left with the loopback device needs no routes any more when no device is preferred.
pub fn unprefer4(state: &State, dev: Dev) -> State {
    let mut goal = state.clone();
    for key in state.keys() {
        let mut group = state.group(key);
        group.retain(|r| !(r.is_mark() && r.dev == dev));
        if group.first().is_some_and(|r| r.dev == dev) && group.iter().any(|r| r.dev != dev) {
            let (own, mut rest): (Vec<_>, Vec<_>) = group.into_iter().partition(|r| r.dev == dev);
            rest.extend(own);
            group = rest;
        }
        goal.set_group(key, group);
    }
    if !goal.v4.iter().any(Route4::is_mark) {
        goal.kept4.clear();
    }
    goal
}

/// The order of the holders of ::1 had none been preferred.
fn base6(state: &State) -> Vec<Dev> {
    let marked = |dev| state.marks6.iter().any(|m| m.dev == dev);
    let mut base: Vec<Dev> = state
        .v6
        .iter()
        .map(|a| a.dev)
        .filter(|&d| !marked(d))
        .collect();
    let marks: Vec<&Mark6> = state
        .marks6
        .iter()
        .filter(|m| state.holds6(m.dev))
        .collect();
    for mark in marks {
        base.insert(base.len().min(mark.place as usize), mark.dev);
    }
    base
}

/// Brings the holders of ::1 into this order.
fn set_order6(state: &mut State, order: &[Dev]) {
    state.v6.sort_by_key(|a| {
        order
            .iter()
            .position(|&d| d == a.dev)
            .unwrap_or(order.len())
    });
}

/// `state` with `dev` first for ::1, and a mark of where it was.
pub fn prefer6(state: &State, dev: Dev) -> State {
    let mut goal = state.clone();
    if !state.holds6(dev) || state.v6[0].dev == dev {
        return goal;
    }
    if !state.marks6.iter().any(|m| m.dev == dev) {
        let place = base6(state).iter().position(|&d| d == dev).unwrap_or(0) as u32;
        goal.marks6.push(Mark6 { dev, place });
        goal.marks6.sort_by_key(|m| (m.place, m.dev));
    }
    set_order6(&mut goal, &[dev]);
    goal
}

/// `state` with `dev` where it was before [`prefer6`]; if it is first without a mark, it goes behind the others.
pub fn unprefer6(state: &State, dev: Dev) -> State {
    let mut goal = state.clone();
    if state.marks6.iter().any(|m| m.dev == dev) {
        let preferred = |d: &Dev| *d != dev && state.marks6.iter().any(|m| m.dev == *d);
        let mut order: Vec<Dev> = state.v6.iter().map(|a| a.dev).filter(preferred).collect();
        order.extend(base6(state).iter().filter(|d| !preferred(d)));
        goal.marks6.retain(|m| m.dev != dev);
        set_order6(&mut goal, &order);
    } else if state.v6.len() > 1 && state.v6[0].dev == dev {
        goal.v6.rotate_left(1);
    }
    goal
}

/// Whether `part` is left of `all` when some are struck out.
fn is_left_of<T: PartialEq>(part: &[T], all: &[T]) -> bool {
    let mut all = all.iter();
    part.iter().all(|p| all.any(|a| a == p))
}

/// How much is to be said for leaving a route alone.
fn weight(route: &Route4) -> u64 {
    match route {
        r if r.odd => 1 << 40,
        r if r.is_mark() => 1,
        r if r.dev == LOOPBACK => 1 << 20,
        _ => 1 << 10,
    }
}

/// The steps for one list of routes: one run of the wanted ones stays, the others go and come back around it.
fn plan_group(now: &[Route4], goal: &[Route4], steps: &mut Vec<Step>) {
    if now == goal {
        return;
    }
    let mut best = (0, 0, 0);
    for from in 0..goal.len() {
        for to in from + 1..=goal.len() {
            let worth = goal[from..to].iter().map(weight).sum::<u64>();
            if worth > best.0 && is_left_of(&goal[from..to], now) {
                best = (worth, from, to);
            }
        }
    }
    let (_, from, to) = best;
    let stay = &goal[from..to];
    steps.extend(
        now.iter()
            .filter(|r| !stay.contains(r))
            .cloned()
            .map(Step::Del4),
    );
    steps.extend(goal[..from].iter().rev().cloned().map(Step::Prepend4));
    steps.extend(goal[to..].iter().cloned().map(Step::Append4));
}

/// The steps from `now` to `goal`.
///
/// After each of them, and whichever of them fail, 127.0.0.1 and ::1 have a local route.
pub fn plan(now: &State, goal: &State) -> Vec<Step> {
    let mut steps = Vec::new();

    // First and last, so that at no time another device has what is left with the loopback device.
    let added = goal.kept4.iter().filter(|r| !now.kept4.contains(r));
    steps.extend(added.cloned().map(Step::Keep4));

    let mut keys = goal.keys();
    keys.extend(now.keys().iter().filter(|k| !goal.keys().contains(k)));
    for key in keys {
        plan_group(&now.group(key), &goal.group(key), &mut steps);
    }

    let gone = |m: &&Mark6| !goal.marks6.contains(m);
    let new = |m: &&Mark6| !now.marks6.contains(m);
    steps.extend(goal.marks6.iter().filter(new).cloned().map(Step::Mark6));

    // Addresses only ever go to the end: the longest start of the wanted order that is there already stays.
    let stay = (0..=goal.v6.len())
        .rev()
        .find(|&n| is_left_of(&goal.v6[..n], &now.v6))
        .unwrap_or(0);
    for addr in &now.v6 {
        if !goal.holds6(addr.dev) {
            steps.push(Step::Del6(addr.clone()));
        }
    }
    for addr in &goal.v6[stay..] {
        if let Some(old) = now.v6.iter().find(|a| a.dev == addr.dev) {
            steps.push(Step::Del6(old.clone()));
        }
        steps.push(Step::Add6(addr.clone()));
    }

    steps.extend(now.marks6.iter().filter(gone).cloned().map(Step::Unmark6));
    let dropped = now.kept4.iter().filter(|r| !goal.kept4.contains(r));
    steps.extend(dropped.cloned().map(Step::Unkeep4));
    steps
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
