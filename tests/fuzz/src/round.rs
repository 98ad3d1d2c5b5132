// SPDX-License-Identifier: GPL-2.0

//! A round: so many messages, in new namespaces, that depend on nothing but seed and number.

use crate::{
    grammar::Grammar,
    message::{keeps_meaning, walk, Message, Net, Seen, Side, Value},
    oracle::{self, Case},
    world::{Answer, Link, Tested, World},
};
use guest::{netns::NetNs, random::Random, uapi::*};
use nix::{
    sched::{unshare, CloneFlags},
    sys::prctl::set_dumpable,
    unistd::{gettid, setgroups, setresgid, setresuid, Gid, Uid},
};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

/// For so long devices may differ by what the kernel does later.
const LINKWATCH: Duration = Duration::from_secs(5);

/// Messages of a round.
pub const LENGTH: u64 = 200;

/// Who sends the messages of a round, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Root, in two namespaces.
    Root,
    /// Root, in the initial namespace and another one.
    Initial,
    /// An ordinary user, in two namespaces of a user namespace.
    User,
}

impl Mode {
    /// Of a round, by its number.
    pub fn of(round: u64) -> Self {
        use Mode::*;
        [Root, User, Root, Initial, Root, User, Root, Root][(round % 8) as usize]
    }
}

/// Nobody.
const USER: u32 = 65534;

/// What happened, to be added up.
pub type Counts = BTreeMap<String, u64>;

const CREATED: &str = "succeeded: create a link";
const REFUSED: &str = "refused by validate, with a reason";
const KEPT_OUT: &str = "user kept out of the initial namespace";

/// What a run should have seen and has not. One that is shorter than those of the tests need not
/// have: it comes once or twice in a hundred messages.
pub fn missing(counts: &Counts) -> Option<&'static str> {
    const ENOUGH: u64 = 2000;
    let count = |what: &str| *counts.get(what).unwrap_or(&0);
    if count("messages") < ENOUGH {
        return None;
    }
    let mut wanted = [CREATED, REFUSED, KEPT_OUT].into_iter();
    wanted.find(|what| count(what) == 0)
}

pub struct Round {
    pub number: u64,
    pub mode: Mode,
    tested: Tested,
    seed: u64,
    rng: Random,
    ours: World,
    theirs: World,
    /// Devices that are there all the time, in the first namespace: with dummy and the like built
    /// in, some of theirs are.
    skip: Vec<String>,
    /// What was in the initial namespace before.
    before: Vec<i32>,
    counts: Counts,
    verbose: bool,
    /// The worlds have drifted apart for good.
    spent: bool,
}

/// Makes this process one of an ordinary user, for good.
fn become_user(id: u32) -> nix::Result<()> {
    let (user, group) = (Uid::from_raw(id), Gid::from_raw(id));
    setgroups(&[])?;
    setresgid(group, group, group)?;
    setresuid(user, user, user)?;
    // Or /proc/self would be root's.
    set_dumpable(true)
}

fn worlds(tested: Tested, mode: Mode, strict: bool) -> std::io::Result<(World, World)> {
    let (one, two) = (NetNs::current()?, NetNs::current()?);
    if mode == Mode::User {
        become_user(USER)?;
        unshare(CloneFlags::CLONE_NEWUSER)?;
    }
    let ours = World::new(tested.name(), mode == Mode::Initial, one, strict)?;
    let theirs = World::new("dummy", false, two, strict)?;
    Ok((ours, theirs))
}

impl Round {
    pub fn new(tested: Tested, seed: u64, number: u64, verbose: bool) -> std::io::Result<Self> {
        let mode = Mode::of(number);
        let first = Random::new(seed).next_u64();
        let mut rng = Random::new(first ^ number.wrapping_mul(0xd134_2543_de82_ef95));
        let (ours, theirs) = worlds(tested, mode, rng.percent(30))?;
        let mut round = Self {
            number,
            mode,
            tested,
            seed,
            rng,
            ours,
            theirs,
            skip: Vec::new(),
            before: Vec::new(),
            counts: Counts::new(),
            verbose,
            spent: false,
        };
        round.look()?;
        if mode == Mode::Initial {
            let there = &round.ours.links[0];
            round.before = there.iter().map(|l| l.index).collect();
            round.skip = there.iter().map(|l| l.name.clone()).collect();
            // The peer gets what is there in the initial namespace.
            round.theirs.lo_up(0)?;
            if round.ours.links[0].iter().any(|l| l.name == "KIND0") {
                round.theirs.make(0, false)?;
            }
            round.look()?;
        }
        Ok(round)
    }

    fn look(&mut self) -> std::io::Result<()> {
        for world in [&mut self.ours, &mut self.theirs] {
            world.look(0)?;
            world.look(1)?;
        }
        Ok(())
    }

    fn count(&mut self, what: &str) {
        *self.counts.entry(what.into()).or_default() += 1;
    }

    /// Sends the messages; what was found if it is not what it should be. `progress` always has
    /// the message at hand.
    pub fn run(mut self, length: u64, progress: Option<&File>) -> Result<Counts, String> {
        let mut result = Ok(());
        for at in 0..length {
            let index = self.number * LENGTH + at;
            result = self.step(index, progress);
            if result.is_err() || self.spent {
                break;
            }
        }
        let left = self.clean_up();
        result.and(left).map(|()| self.counts)
    }

    /// Takes what was made out of the initial namespace.
    fn clean_up(&mut self) -> Result<(), String> {
        if self.mode != Mode::Initial {
            return Ok(());
        }
        let failed = |e| format!("cannot clean up: {e}");
        self.ours.look(0).map_err(failed)?;
        let indexes: Vec<_> = self.ours.links[0].iter().map(|l| l.index).collect();
        for index in indexes {
            if !self.before.contains(&index) {
                self.ours.delete(0, index).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// The devices that messages may name: those that are there in both worlds.
    fn devices(&self, room: usize) -> Vec<String> {
        let theirs = &self.theirs.links[room];
        self.ours.links[room]
            .iter()
            .map(|link| &link.name)
            .filter(|name| room != 0 || !self.skip.contains(name))
            .filter(|name| theirs.iter().any(|link| link.name == **name))
            .cloned()
            .collect()
    }

    /// A message, and where it is sent.
    fn next(&mut self) -> (usize, Message) {
        let from = usize::from(self.rng.percent(20));
        let devices = [self.devices(0), self.devices(1)];
        let damaged = self.rng.percent(25);
        let mut grammar = Grammar {
            rng: &mut self.rng,
            mode: self.mode,
            kind: self.tested.name(),
            from,
            devices,
        };
        let mut message = grammar.message();
        if damaged {
            let whole = message.build(0, &self.ours);
            let mutations = grammar.mutations(&whole);
            message.mutations = mutations;
            if keeps_meaning(&whole, &message.build(0, &self.ours)) {
                message.well_formed = false;
            } else {
                message.mutations.clear();
            }
        }
        (from, message)
    }

    fn step(&mut self, index: u64, progress: Option<&File>) -> Result<(), String> {
        let (from, message) = loop {
            let (from, message) = self.next();
            let built = message.build(0, &self.ours);
            let ours: Vec<_> = self.ours.links[0]
                .iter()
                .map(|link| link.index)
                .filter(|index| !self.before.contains(index))
                .collect();
            // Also from the other namespace, if it says so.
            let dangerous = walk(&built.bytes).iter().any(|seen| {
                (from == 0 || seen.attr(&built.bytes, IFLA_TARGET_NETNSID).is_some())
                    && oracle::endangers(self.tested, self.mode, &built.bytes, seen, &ours)
            });
            // Both worlds would meet in the namespace of a process that has nothing to do with
            // them.
            let astray = self.mode == Mode::Root
                && walk(&built.bytes).iter().any(|seen| {
                    let pid = seen.attr_u32(&built.bytes, IFLA_NET_NS_PID);
                    pid.is_some_and(|pid| {
                        pid as i32 != gettid().as_raw()
                            && Path::new(&format!("/proc/{pid}")).exists()
                    })
                });
            if !dangerous && !astray {
                break (from, message);
            }
        };

        let seq = self.ours.next_seq();
        let mut sent = Vec::new();
        let mut answers = Vec::new();
        let names = [self.tested.name(), "dummy"];
        for (world, name) in [&self.ours, &self.theirs].into_iter().zip(names) {
            let bytes = message.build(seq, world).bytes;
            let describe = || describe(self.seed, index, self.mode, from, &message, &bytes, name);
            if let Some(file) = progress {
                let mut note = index.to_ne_bytes().to_vec();
                note.extend((bytes.len() as u64).to_ne_bytes());
                note.extend(&bytes);
                file.write_all_at(&note, 0)
                    .map_err(|e| format!("cannot note what is sent: {e}"))?;
            }
            if self.verbose {
                println!("{}", describe());
            }
            let answer = world
                .send(from, &bytes, seq, |_| ())
                .map_err(|e| format!("cannot send: {e}\n{}", describe()))?;
            if self.verbose {
                println!("  {answer:?}");
            }
            sent.push(bytes);
            answers.push(answer);
        }
        self.judge(index, from, &message, &sent, &answers)
            .map_err(|what| {
                let mut report = format!("{what}\n");
                for ((bytes, answer), name) in sent.iter().zip(&answers).zip(names) {
                    let text = describe(self.seed, index, self.mode, from, &message, bytes, name);
                    let _ = write!(report, "{text}\n  answer: {answer:?}\n");
                }
                report
            })
    }

    fn judge(
        &mut self,
        index: u64,
        from: usize,
        message: &Message,
        sent: &[Vec<u8>],
        answers: &[Answer],
    ) -> Result<(), String> {
        let (bytes, [ours, theirs]) = (&sent[0], answers) else {
            unreachable!()
        };
        let seen = walk(bytes);
        let seen = seen.first();
        oracle::well_answered(seen, ours).map_err(|e| format!("{}: {e}", self.tested.name()))?;
        oracle::well_answered(walk(&sent[1]).first(), theirs).map_err(|e| format!("dummy: {e}"))?;

        self.count("messages");
        self.count(if message.well_formed {
            "well-formed"
        } else {
            "damaged"
        });
        let Some(seen) = seen else {
            self.count("not taken for a message");
            return Ok(());
        };
        let case = Case {
            tested: self.tested,
            bytes,
            seen,
            damaged: !message.well_formed,
            ours,
            theirs,
        };
        // The same error may come sooner for one than for the other.
        let explained = oracle::explain(&case);
        if ours.errno != theirs.errno {
            match explained {
                Some(difference) => self.count(&format!("difference: {}", difference.name)),
                None => return Err("the answers differ, and nothing explains it".into()),
            }
        }
        if ours.errno == 0 && ours.ends == 1 {
            self.count("succeeded");
            self.count(&format!("succeeded: {}", seen.what()));
        } else if ours.errno != 0 {
            self.count(&format!("errno {}", ours.errno));
        }

        if message.well_formed {
            if let Some((errno, text)) = self.predicted(bytes, seen, message) {
                if ours.errno != errno || !ours.text.contains(text) {
                    return Err(format!(
                        "validate was to refuse it with error {errno} and \"…{text}…\""
                    ));
                }
                self.count(REFUSED);
            }
        }
        if self.mode == Mode::User {
            let initial = self.ours.fd(Net::Initial);
            // Of a dump that it cannot parse the kernel takes nothing, and dumps the own namespace
            // (`rtnl_dump_ifinfo()`, `net/core/rtnetlink.c`).
            let dump = seen.kind == RTM_GETLINK && seen.flags & NLM_F_DUMP != 0;
            let parsed = message.well_formed || !dump;
            if parsed && oracle::touches_initial(bytes, seen, initial) {
                // Also without an acknowledgement there is an answer to an error.
                if ours.errno == 0 && seen.range.len() > HEADER {
                    return Err("a user has touched the initial namespace".into());
                }
                if ours.errno == libc::EPERM || ours.errno == libc::EACCES {
                    self.count(KEPT_OUT);
                }
            }
        }
        let unlike = if ours.errno != theirs.errno {
            self.touched(from, seen, bytes)
        } else {
            Vec::new()
        };
        self.compare(index, from, seen, bytes, explained.is_some(), unlike)
    }

    /// The devices that a message is about, which one world may have changed and the other not.
    ///
    /// It need not show: one that is down does not tell its operational state, for one.
    fn touched(&self, from: usize, seen: &Seen, bytes: &[u8]) -> Vec<String> {
        if !seen.is_link() {
            return Vec::new();
        }
        let index = seen.index(bytes);
        let name = seen.attr(bytes, IFLA_IFNAME).map(|name| {
            let name = String::from_utf8_lossy(name);
            name.trim_end_matches('\0').to_string()
        });
        let links = &self.ours.links[from];
        let link = |name: &str| links.iter().find(|l| l.name == name);
        let meant = |l: &Link| match (index, &name) {
            (0, Some(name)) => l.name == *name,
            // All of a group, or none.
            (0, None) => seen.attr(bytes, IFLA_GROUP).is_some(),
            (index, _) => l.index == index,
        };
        let mut names = self.devices(from);
        // Not lo, which has no kind.
        names.retain(|n| link(n).is_some_and(|l| !l.kind.is_empty() && meant(l)));
        names
    }

    /// What validate says, if nothing comes before it: the parsing of the attributes, and that
    /// they name one namespace at most (`rtnl_newlink()`, `net/core/rtnetlink.c`).
    fn predicted(
        &self,
        bytes: &[u8],
        seen: &Seen,
        message: &Message,
    ) -> Option<(i32, &'static str)> {
        let refused = oracle::refused_by_validate(self.tested, bytes, seen)?;
        let nets = |attr: u16| seen.attr(bytes, attr).is_some();
        let named = [IFLA_NET_NS_PID, IFLA_NET_NS_FD, IFLA_TARGET_NETNSID];
        let parsed = message.attrs.iter().all(|attr| acceptable(attr.0, &attr.1));
        (parsed && named.into_iter().filter(|&a| nets(a)).count() <= 1).then_some(refused)
    }

    /// Both worlds have to look alike afterwards, but for the devices that are `unlike`.
    fn compare(
        &mut self,
        index: u64,
        from: usize,
        seen: &Seen,
        bytes: &[u8],
        explained: bool,
        unlike: Vec<String>,
    ) -> Result<(), String> {
        let moves = [IFLA_NET_NS_PID, IFLA_NET_NS_FD, IFLA_TARGET_NETNSID];
        let both = index % 16 == 0
            || explained
            || !seen.is_link()
            || moves.iter().any(|&a| seen.attr(bytes, a).is_some());
        let quiet = seen.kind == RTM_GETLINK && index % 16 != 0;
        if quiet {
            return Ok(());
        }
        let rooms: Vec<_> = (0..2).filter(|&room| both || room == from).collect();
        let look = |round: &mut Self| {
            let mut wrong = Vec::new();
            for &room in &rooms {
                for world in [&mut round.ours, &mut round.theirs] {
                    world.look(room).map_err(|e| e.to_string())?;
                }
                let (a, b) = (&round.ours.links[room], &round.theirs.links[room]);
                let skip: &[String] = if room == 0 { &round.skip } else { &[] };
                let found = oracle::compare(round.tested, a, b, skip);
                wrong.extend(found.into_iter().map(|(name, what)| (room, name, what)));
            }
            Ok::<_, String>(wrong)
        };
        let mut wrong = look(self)?;
        // What follows from a carrier that a user has changed follows a second later at most
        // (`linkwatch_schedule_work()`, `net/core/link_watch.c`).
        let start = Instant::now();
        while self.tested == Tested::RustDummy
            && !wrong.is_empty()
            && !explained
            && start.elapsed() < LINKWATCH
        {
            sleep(Duration::from_millis(50));
            wrong = look(self)?;
        }
        wrong.extend(unlike.into_iter().map(|name| (from, name, String::new())));
        if wrong.is_empty() {
            return Ok(());
        }
        if !explained {
            let mut text = String::from("the devices are not what they should be:");
            for (room, _, what) in &wrong {
                let _ = write!(text, "\n  in namespace {room}: {what}");
            }
            return Err(text);
        }
        // The answers were allowed to differ. lo, by whatever name, cannot be taken away.
        let is_lo = |(room, name, _): &(usize, String, String)| {
            let mut worlds = [&self.ours, &self.theirs].into_iter();
            worlds.any(|world| {
                let mut links = world.links[*room].iter();
                links.any(|l| l.name == *name && l.kind.is_empty())
            })
        };
        if wrong.iter().any(is_lo) {
            self.count("rounds ended by a difference of lo");
            self.spent = true;
            return Ok(());
        }
        // The other devices are.
        self.count("devices removed after a difference");
        for (room, name, _) in &wrong {
            for world in [&mut self.ours, &mut self.theirs] {
                let found = world.links[*room].iter().find(|l| l.name == *name);
                if let Some(index) = found.map(|l| l.index) {
                    match world.delete(*room, index) {
                        Ok(()) => world.links[*room].retain(|l| l.index != index),
                        Err(e) => {
                            return Err(format!("cannot delete {name} after a difference: {e}"))
                        }
                    }
                }
            }
        }
        match look(self)?.first() {
            Some((_, _, what)) => Err(format!("still after the devices were deleted: {what}")),
            None => Ok(()),
        }
    }
}

/// The kernel's policy (`ifla_policy`) takes the attribute, as far as a well-formed one can be
/// refused by it.
fn acceptable(attr: u16, value: &Value) -> bool {
    const LONGEST_QUEUE: u32 = i16::MAX as u32;
    const SMALLEST_GSO: std::ops::Range<u32> = 0..1024;
    let Value::Bytes(bytes) = value else {
        return true;
    };
    let number = || crate::message::u32_at(bytes, 0);
    match attr {
        IFLA_IFNAME => bytes.len() <= 16,
        IFLA_ADDRESS | IFLA_BROADCAST => bytes.len() <= 32,
        IFLA_TXQLEN => number() <= LONGEST_QUEUE,
        IFLA_GSO_MAX_SIZE | IFLA_GSO_IPV4_MAX_SIZE => !SMALLEST_GSO.contains(&number()),
        IFLA_IFALIAS => bytes.len() <= 255,
        IFLA_ALT_IFNAME => bytes.len() <= 128,
        IFLA_NEW_IFINDEX => number() as i32 >= 1,
        _ => true,
    }
}

fn describe(
    seed: u64,
    index: u64,
    mode: Mode,
    from: usize,
    message: &Message,
    bytes: &[u8],
    world: &str,
) -> String {
    let mut text = format!(
        "message {index} of seed {seed} ({mode:?}, namespace {from}, for {world}):\n  hex: {}\n  \
         {message:?}",
        hex(bytes)
    );
    for seen in walk(bytes) {
        let _ = write!(
            text,
            "\n  type {} flags {:#x} length {}:",
            seen.kind,
            seen.flags,
            seen.range.len()
        );
        for (attr, range) in seen.attributes(bytes) {
            let _ = write!(text, " [{attr}: {:x?}]", &bytes[range]);
        }
    }
    text
}

/// Whether the kernel has complained: the bits for warnings, oopses and bad pages.
pub fn tainted() -> u64 {
    const BAD_PAGE: u64 = 1 << 5;
    const DIE: u64 = 1 << 7;
    const WARN: u64 = 1 << 9;
    const LOCKUP: u64 = 1 << 14;
    let value = fs::read_to_string("/proc/sys/kernel/tainted").unwrap_or_default();
    value.trim().parse().unwrap_or(0) & (BAD_PAGE | DIE | WARN | LOCKUP)
}

/// The message that a round was at, from what it noted: its number, and the message in hex.
pub fn noted(note: &[u8]) -> Option<(u64, String)> {
    let number = |at: usize| Some(u64::from_ne_bytes(note.get(at..at + 8)?.try_into().ok()?));
    let bytes = note.get(16..16 + number(8)? as usize)?;
    Some((number(0)?, hex(bytes)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(messages: u64, others: &[&str]) -> Counts {
        let others = others.iter().map(|&what| (what.into(), 1));
        others.chain([("messages".into(), messages)]).collect()
    }

    #[test]
    fn a_long_run_has_some_of_all() {
        let all = [CREATED, REFUSED, KEPT_OUT];
        assert_eq!(missing(&counts(2000, &all)), None);
        for what in all {
            let others: Vec<_> = all.into_iter().filter(|&other| other != what).collect();
            assert_eq!(missing(&counts(2000, &others)), Some(what));
        }
        assert_eq!(missing(&counts(1999, &[])), None);
    }

    #[test]
    fn a_link_is_created_by_the_name_that_is_counted() {
        let seen = Seen {
            kind: RTM_NEWLINK,
            flags: NLM_F_CREATE,
            seq: 1,
            range: 0..HEADER,
        };
        assert_eq!(format!("succeeded: {}", seen.what()), CREATED);
    }
}
