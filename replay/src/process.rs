//! What the process has used, as the kernel counts it.

use std::fs;

/// User and system time so far, seconds; zero where the system does not tell.
pub fn cpu_s() -> f64 {
    fs::read_to_string("/proc/self/stat").map_or(0.0, |stat| cpu_s_of(&stat))
}

/// The same of a process whose `stat` line in /proc this is; zero where it is none.
pub fn cpu_s_of(stat: &str) -> f64 {
    cpu_ticks(stat).unwrap_or(0) as f64 / TICKS_PER_SECOND
}

/// The most memory that was ever resident, bytes; zero where the system does not tell.
pub fn max_rss_bytes() -> u64 {
    fs::read_to_string("/proc/self/status").ok().and_then(|status| kib(&status, "VmHWM:")).unwrap_or(0)
        * 1_024
}

/// utime + stime of a `stat` line: fields 14 and 15, counted behind the name, which may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_ascii_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// Memory that is resident now, bytes; zero where the system does not tell.
pub fn rss_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").ok();
    status.and_then(|status| kib(&status, "VmRSS:")).unwrap_or(0) * 1_024
}

fn kib(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

/// USER_HZ: Linux shows times to user space in hundredths of a second on every architecture we build for.
const TICKS_PER_SECOND: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_behind_its_name() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 1 0 100 1 1";
        assert_eq!(cpu_ticks(stat), Some(300));
        assert_eq!(cpu_ticks("nonsense"), None);
        assert_eq!((cpu_s_of(stat), cpu_s_of("")), (3.0, 0.0));
    }

    #[test]
    fn peak_memory_is_read() {
        assert_eq!(kib("Name:\tx\nVmHWM:\t   1234 kB\nVmRSS:\t 1 kB\n", "VmHWM:"), Some(1_234));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_used_something() {
        assert!(max_rss_bytes() > 100_000);
    }
}
