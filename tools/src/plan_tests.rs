// SPDX-License-Identifier: GPL-2.0

//! The plans are carried out on a model of the kernel: whole, torn at every step, and with any of the steps failing.

use super::*;
use crate::state::{FOREVER, F_PERMANENT, MARK};
use std::net::Ipv6Addr;

const LO: Dev = LOOPBACK;
const A: Dev = 2;
const B: Dev = 3;
const DEVS: [Dev; 4] = [LO, A, B, 4];

fn route(dst: [u8; 4], len: u8, kind: u8, dev: Dev) -> Route4 {
    Route4 {
        dst: dst.into(),
        len,
        kind,
        scope: 254,
        tos: 0,
        metric: 0,
        src: Some(Ipv4Addr::LOCALHOST),
        dev,
        proto: 2,
        odd: false,
    }
}

fn addr(dev: Dev) -> Addr6 {
    Addr6 {
        dev,
        len: 128,
        flags: F_PERMANENT,
        valid: FOREVER,
        preferred: FOREVER,
        peer: None,
        metric: 0,
        proto: 1,
        prefix_route: false,
    }
}

/// Devices that came up in this order.
fn up(devs: &[Dev]) -> State {
    let mut state = State::default();
    for (dst, len, kind) in [
        ([127, 0, 0, 0], 8, 2),
        ([127, 0, 0, 1], 32, 2),
        ([127, 255, 255, 255], 32, 3),
    ] {
        state
            .v4
            .extend(devs.iter().map(|&d| route(dst, len, kind, d)));
    }
    state.v6 = devs.iter().map(|&d| addr(d)).collect();
    state
}

/// What the kernel does: the state after the step, or none if it refuses.
fn apply(state: &State, step: &Step) -> Option<State> {
    let mut new = state.clone();
    match step {
        Step::Del4(r) => {
            let at = new.v4.iter().position(|o| o == r)?;
            new.v4.remove(at);
        }
        Step::Prepend4(r) | Step::Append4(r) => {
            let mut group = new.group(r.key());
            if group.contains(r) {
                return None;
            }
            let at = if matches!(step, Step::Append4(_)) {
                group.len()
            } else {
                0
            };
            group.insert(at, r.clone());
            new.set_group(r.key(), group);
        }
        Step::Keep4(r) => {
            if new.kept4.contains(r) {
                return None;
            }
            new.kept4.push(r.clone());
            new.kept4.sort_by_key(|r| r.dst);
        }
        Step::Unkeep4(r) => {
            let at = new.kept4.iter().position(|o| o == r)?;
            new.kept4.remove(at);
        }
        Step::Del6(a) => {
            let at = new.v6.iter().position(|o| o.dev == a.dev)?;
            new.v6.remove(at);
        }
        Step::Add6(a) => {
            if new.holds6(a.dev) {
                return None;
            }
            new.v6.push(a.clone());
        }
        Step::Mark6(m) => {
            if new.marks6.contains(m) {
                return None;
            }
            new.marks6.push(m.clone());
            new.marks6.sort_by_key(|m| (m.place, m.dev));
        }
        Step::Unmark6(m) => {
            let at = new.marks6.iter().position(|o| o == m)?;
            new.marks6.remove(at);
        }
    }
    Some(new)
}

fn run(state: &State, steps: &[Step]) -> State {
    steps.iter().fold(state.clone(), |state, step| {
        apply(&state, step).unwrap_or_else(|| panic!("{step:?} refused by {state:?}"))
    })
}

fn covered(state: &State) -> bool {
    let has = |dst: [u8; 4], len| state.v4.iter().any(|r| (r.dst, r.len) == (dst.into(), len));
    has([127, 0, 0, 0], 8) && has([127, 0, 0, 1], 32) && !state.v6.is_empty()
}

fn prefer(state: &State, dev: Dev) -> State {
    prefer_but(state, dev, &[])
}

/// With addresses to be left with `lo`, besides those that were left before.
fn prefer_but(state: &State, dev: Dev, left: &[Ipv4Addr]) -> State {
    let mut left = left.to_vec();
    left.extend(state.kept4.iter().map(|r| r.dst));
    prefer6(&prefer4(state, dev, &left), dev)
}

fn unprefer(state: &State, dev: Dev) -> State {
    unprefer6(&unprefer4(state, dev), dev)
}

fn firsts(state: &State) -> Vec<Dev> {
    let mut firsts: Vec<Dev> = state
        .keys()
        .iter()
        .map(|&k| state.group(k)[0].dev)
        .collect();
    firsts.extend(state.v6.first().map(|a| a.dev));
    firsts
}

fn order6(state: &State) -> Vec<Dev> {
    state.v6.iter().map(|a| a.dev).collect()
}

/// Everything that has to hold on the way from `now` to `goal`.
fn check_way(now: &State, goal: &State) {
    let steps = plan(now, goal);
    assert_eq!(run(now, &steps), *goal);
    assert!(plan(goal, goal).is_empty());

    // Killed after any step.
    for n in 0..=steps.len() {
        let torn = run(now, &steps[..n]);
        assert!(covered(&torn), "dark after {n} of {steps:?}");
        assert_eq!(
            run(&torn, &plan(&torn, now)),
            *now,
            "not undone after {n} of {steps:?}"
        );
        assert_eq!(
            run(&torn, &plan(&torn, goal)),
            *goal,
            "not completed after {n} of {steps:?}"
        );
    }

    // Any of the steps fail; those after them are tried all the same.
    let steps = &steps[..steps.len().min(12)];
    for failing in 0u32..1 << steps.len() {
        let mut torn = now.clone();
        for (n, step) in steps.iter().enumerate() {
            if failing & (1 << n) == 0 {
                torn = apply(&torn, step).unwrap_or(torn);
            }
        }
        assert!(covered(&torn), "dark when {failing:b} of {steps:?} fail");
        assert_eq!(run(&torn, &plan(&torn, now)), *now);
    }
}

#[test]
fn one_device_takes_over_and_gives_back() {
    let before = up(&[LO, A]);
    let after = prefer(&before, A);
    assert_eq!(firsts(&after), [A; 4]);
    assert_eq!(order6(&after), [A, LO]);
    assert_eq!(after.marks6, [Mark6 { dev: A, place: 1 }]);
    assert_eq!(prefer(&after, A), after);
    assert_eq!(unprefer(&after, A), before);
    assert_eq!(unprefer(&before, A), before);
    check_way(&before, &after);
    check_way(&after, &before);
}

#[test]
fn the_tool_run_again_completes_or_undoes_a_torn_change() {
    let before = up(&[LO, A]);
    let after = prefer(&before, A);
    for (now, goal) in [(&before, &after), (&after, &before)] {
        let steps = plan(now, goal);
        for n in 0..=steps.len() {
            let torn = run(now, &steps[..n]);
            // Between the removal of an address and its return only the one who removed it knows what it was.
            if torn.v6.len() == 2 {
                assert_eq!(unprefer(&torn, A), before);
                assert_eq!(unprefer(&prefer(&torn, A), A), before);
                assert_eq!(firsts(&prefer(&torn, A)), [A; 4]);
            }
        }
    }
}

#[test]
fn the_steps_are_as_few_as_can_be() {
    let before = up(&[LO, A]);
    let steps = plan(&before, &prefer(&before, A));
    let mark = |n: usize| Step::Prepend4(before.v4[2 * n + 1].mark());
    let wanted = [
        mark(0),
        mark(1),
        mark(2),
        Step::Mark6(Mark6 { dev: A, place: 1 }),
        Step::Del6(addr(LO)),
        Step::Add6(addr(LO)),
    ];
    assert_eq!(steps, wanted);
}

#[test]
fn two_devices_are_a_stack() {
    let none = up(&[LO, A, B]);
    let a = prefer(&none, A);
    let ba = prefer(&a, B);
    assert_eq!(firsts(&ba), [B; 4]);
    assert_eq!(order6(&ba), [B, A, LO]);
    assert_eq!(unprefer(&ba, B), a);
    assert_eq!(unprefer(&a, A), none);
    // In the other order of leaving.
    let b = unprefer(&ba, A);
    assert_eq!(b, prefer(&none, B));
    assert_eq!(unprefer(&b, B), none);
    // To the top again.
    let ab = prefer(&ba, A);
    assert_eq!(firsts(&ab), [A; 4]);
    assert_eq!(unprefer(&unprefer(&ab, B), A), none);
}

#[test]
fn a_device_that_was_first_anyway_needs_nothing_and_can_be_put_behind() {
    let before = up(&[A, LO, B]);
    assert_eq!(prefer(&before, A), before);
    let after = unprefer(&before, A);
    assert_eq!(firsts(&after), [LO; 4]);
    assert_eq!(order6(&after), [LO, B, A]);
    assert_eq!(unprefer(&after, A), after);
    assert_eq!(
        unprefer(&up(&[A]), A),
        up(&[A]),
        "nobody else to hand over to"
    );
    check_way(&before, &after);
}

#[test]
fn lo_without_its_address_and_more_specific_routes_stay_alone() {
    let mut before = up(&[LO, A]);
    before.v4.push(route([127, 0, 0, 2], 32, 2, LO));
    before.v6.remove(0);
    let after = prefer(&before, A);
    assert_eq!(order6(&after), [A]);
    assert_eq!(after.group(before.v4[6].key()), [before.v4[6].clone()]);
    assert_eq!(unprefer(&after, A), before);
}

const STUB: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 53);
const PROXY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 54);

#[test]
fn addresses_of_sockets_bound_to_lo_are_left_with_it() {
    let before = up(&[LO, A]);
    let after = prefer_but(&before, A, &[STUB]);
    assert_eq!(firsts(&after), [A; 4]);
    let kept = Route4 {
        proto: MARK,
        ..route([127, 0, 0, 53], 32, 2, LO)
    };
    assert_eq!(after.kept4, [kept.clone()]);
    assert!(after.on_loopback(STUB) && kept.is_kept());
    assert!(!after.on_loopback(PROXY));
    // At no time it is not with lo.
    for (now, goal) in [(&before, &after), (&after, &before)] {
        let steps = plan(now, goal);
        assert!((0..=steps.len()).all(|n| run(now, &steps[..n]).on_loopback(STUB)));
        check_way(now, goal);
    }
    // Again, with nothing new, without the socket, and with one more.
    assert_eq!(prefer_but(&after, A, &[STUB]), after);
    assert_eq!(prefer_but(&after, A, &[]), after);
    let more = prefer_but(&after, A, &[PROXY]);
    assert!(more.on_loopback(STUB) && more.on_loopback(PROXY));
    check_way(&after, &more);
    assert_eq!(unprefer(&more, A), before);
    // Without exceptions.
    let all = prefer6(&prefer4(&more, A, &[]), A);
    assert_eq!(all, prefer(&before, A));
    check_way(&more, &all);
}

#[test]
fn what_is_left_with_lo_stays_so_until_no_device_is_preferred() {
    let none = up(&[LO, A, B]);
    let a = prefer_but(&none, A, &[STUB]);
    let ba = prefer_but(&a, B, &[STUB]);
    assert_eq!(ba.kept4, a.kept4);
    assert_eq!(unprefer(&ba, B), a);
    let b = unprefer(&ba, A);
    assert_eq!(b.kept4, a.kept4);
    assert_eq!(unprefer(&b, B), none);
    // Another one than was preferred when the device that was is gone.
    let mut gone = a.clone();
    gone.v4.retain(|r| r.dev != A);
    assert_eq!(unprefer4(&gone, B).kept4, []);
}

#[test]
fn where_lo_has_a_route_as_long_none_is_added() {
    let at = |dev| route([127, 0, 0, 53], 32, 2, dev);
    let mut before = up(&[LO, A]);
    // Its own address.
    before.v4.push(at(LO));
    let after = prefer_but(&before, A, &[STUB]);
    assert_eq!(after.kept4, []);
    assert_eq!(after, prefer(&before, A));
    assert!(after.on_loopback(STUB));
    assert_eq!(unprefer(&after, A), before);
    // One that the other device has as well: found preferred, it is given back.
    before.v4.push(at(A));
    let taken = prefer(&before, A);
    assert!(!taken.on_loopback(STUB));
    let after = prefer_but(&before, A, &[STUB]);
    assert_eq!(after.kept4, []);
    assert_eq!(after.group(at(LO).key()), [at(LO), at(A)]);
    assert_eq!(prefer_but(&taken, A, &[STUB]), after);
    assert_eq!(unprefer(&after, A), before);
    check_way(&before, &after);
    check_way(&taken, &after);
    // One that is left with it, and that the other device gets later.
    let mut later = prefer_but(&up(&[LO, A]), A, &[STUB]);
    later.v4.push(at(A));
    assert_eq!(prefer_but(&later, A, &[]), later);
    assert!(later.on_loopback(STUB));
    // A network of its own.
    let mut before = up(&[LO, A]);
    before.v4.push(route([127, 0, 0, 0], 16, 2, LO));
    let after = prefer_but(&before, A, &[STUB]);
    assert_eq!(after.kept4, []);
    assert!(after.on_loopback(STUB));
}

#[test]
fn what_lo_did_not_have_is_not_left_with_it() {
    let mut before = up(&[LO, A]);
    before.v4.push(route([127, 0, 0, 53], 32, 2, A));
    for before in [before, up(&[A, LO]), up(&[A])] {
        let after = prefer_but(&before, A, &[STUB]);
        assert_eq!(after, prefer(&before, A));
        assert!(!after.on_loopback(STUB));
    }
}

#[test]
fn a_route_that_is_left_has_the_source_of_the_one_before() {
    let mut before = up(&[LO, A]);
    let mut own = route([127, 0, 0, 0], 8, 2, LO);
    own.src = Some(PROXY);
    let kept = Route4::kept(STUB, &own);
    assert_eq!(kept.src, Some(PROXY));
    before.v4[0] = own;
    assert_eq!(prefer_but(&before, A, &[STUB]).kept4, [kept.clone()]);
    // Others are not taken for such a route.
    assert!(!Route4 {
        proto: 3,
        ..kept.clone()
    }
    .is_kept());
    assert!(!Route4 {
        dev: A,
        ..kept.clone()
    }
    .is_kept());
    assert!(!Route4 {
        odd: true,
        ..kept.clone()
    }
    .is_kept());
    assert!(!Route4 { len: 31, ..kept }.is_kept());
}

#[test]
fn sockets_say_which_addresses_are_left() {
    let at = |address: IpAddr| Bound {
        address,
        protocol: "udp",
        port: 53,
        dual: false,
    };
    let sockets = [
        at(PROXY.into()),
        at(Ipv4Addr::UNSPECIFIED.into()),
        at(Ipv4Addr::LOCALHOST.into()),
        at(Ipv6Addr::LOCALHOST.into()),
        at(Ipv4Addr::new(192, 0, 2, 1).into()),
        at(STUB.into()),
        at(STUB.into()),
    ];
    assert_eq!(left4(&sockets), [STUB, PROXY]);
}

#[test]
fn what_the_address_had_comes_back() {
    let mut before = up(&[LO, A]);
    before.v6[0].flags |= 0x200;
    before.v6[0].proto = 0;
    before.v6[0].metric = 77;
    let lo = before.v6[0].clone();
    assert!(plan(&before, &prefer(&before, A)).contains(&Step::Add6(lo)));
}

#[test]
fn odd_routes_are_the_last_to_be_moved() {
    let mut before = up(&[A, LO]);
    before.v4[0].odd = true;
    let steps = plan(&before, &unprefer4(&before, A));
    assert!(!steps.iter().any(|s| matches!(s, Step::Del4(r) if r.odd)));
}

/// A generator of numbers, to go through many states in the same way each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % limit
    }
}

#[test]
fn any_history_is_carried_out_undone_and_leaves_localhost_alone() {
    let mut numbers = Numbers(0x1_2345_6789);
    for _ in 0..50 {
        // Devices that came up in any order, and not in the same one for both families.
        let mut order = DEVS;
        for n in (1..4).rev() {
            order.swap(n, numbers.below(n + 1));
        }
        let count = 2 + numbers.below(3);
        let none = up(&order[..count]);
        let mut state = none.clone();
        if numbers.below(2) == 0 {
            state.v6.rotate_left(1);
        }
        let none = state.clone();
        let mut stack: Vec<Dev> = Vec::new();
        for _ in 0..8 {
            let dev = order[numbers.below(count)];
            let natural = firsts(&none).contains(&dev);
            let goal = if stack.contains(&dev) {
                stack.retain(|&d| d != dev);
                unprefer(&state, dev)
            } else if natural {
                continue;
            } else {
                stack.insert(0, dev);
                match numbers.below(4) {
                    0 => prefer6(&prefer4(&state, dev, &[]), dev),
                    1 => prefer_but(&state, dev, &[STUB]),
                    2 => prefer_but(&state, dev, &[STUB, PROXY]),
                    _ => prefer(&state, dev),
                }
            };
            check_way(&state, &goal);
            state = goal;
            if let Some(&first) = stack.first() {
                assert!(firsts(&state).iter().all(|&d| d == first));
            }
        }
        while !stack.is_empty() {
            let dev = stack.remove(numbers.below(stack.len()));
            let goal = unprefer(&state, dev);
            check_way(&state, &goal);
            state = goal;
        }
        assert_eq!(state, none, "not what it was");
    }
}
