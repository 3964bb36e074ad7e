//! What the kernel tells of a process by its id (proc_pid_stat(5)).

/// A part of /proc/PID/stat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// R, S, D, T, Z, X and others.
    pub state: char,
    /// Clock ticks after boot: with the pid it names a process for good.
    pub start: u64,
}

impl Stat {
    /// It has exited, and perhaps waits to be reaped.
    pub fn is_dead(self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }
}

/// `None` if there is no such process.
pub fn stat(pid: i32) -> Option<Stat> {
    parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The name in parentheses may contain anything, so fields are counted after the last one.
fn parse(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?.chars().next()?;
    let start = fields.nth(18)?.trim().parse().ok()?;
    Some(Stat { state, start })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_with_a_hostile_name_is_parsed() {
        let text = "7 (a) b (c) Z 3 7 7 0 -1 4 0 0 0 0 1 2 3 4 20 0 5 0 99 0 0\n";
        let stat = parse(text).expect("a stat");
        assert_eq!(stat, Stat { state: 'Z', start: 99 });
        assert!(stat.is_dead());
    }

    #[test]
    fn own_process_lives() {
        let pid = i32::try_from(std::process::id()).expect("pid");
        assert!(stat(pid).is_some_and(|stat| stat.start > 0 && !stat.is_dead()));
        assert_eq!(stat(0), None);
    }
}
