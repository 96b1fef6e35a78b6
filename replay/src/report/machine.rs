//! What machine this is, as the kernel tells it; unknown where it does not.

use std::fs;

use super::model::Machine;

impl Machine {
    /// This one.
    pub fn here() -> Machine {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let cores = std::thread::available_parallelism().map_or(0, |cores| cores.get());
        Machine {
            cpu_model: cpu_model(&read("/proc/cpuinfo")),
            cores: u32::try_from(cores).unwrap_or(u32::MAX),
            memory_bytes: memory_bytes(&read("/proc/meminfo")),
            kernel: kernel(&read("/proc/sys/kernel/ostype"), &read("/proc/sys/kernel/osrelease")),
            os: os(&read("/etc/os-release")),
        }
    }
}

fn cpu_model(cpuinfo: &str) -> String {
    let value = |name: &str| {
        let line =
            cpuinfo.lines().find(|line| line.split(':').next().is_some_and(|key| key.trim() == name))?;
        line.split_once(':').map(|(_, value)| value.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    // ARM kernels give no model name, only the numbers of maker and part.
    let arm = || Some(format!("ARM implementer {} part {}", value("CPU implementer")?, value("CPU part")?));
    value("model name").or_else(arm).unwrap_or_else(|| format!("unknown ({})", std::env::consts::ARCH))
}

fn memory_bytes(meminfo: &str) -> u64 {
    let kib = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.trim().parse::<u64>().ok()).unwrap_or(0) * 1_024
}

fn kernel(ostype: &str, release: &str) -> String {
    match (ostype.trim(), release.trim()) {
        ("", _) => format!("unknown ({})", std::env::consts::OS),
        (ostype, release) => format!("{ostype} {release}"),
    }
}

fn os(release: &str) -> String {
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map_or_else(
        || format!("unknown ({})", std::env::consts::OS),
        |name| name.trim_matches('"').to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_read() {
        let intel = "processor\t: 0\nmodel name\t: Intel(R)  Xeon(R) CPU\nmodel\t\t: 85\n";
        assert_eq!(cpu_model(intel), "Intel(R) Xeon(R) CPU");
        let arm = "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd40\n";
        assert_eq!(cpu_model(arm), "ARM implementer 0x41 part 0xd40");
        assert_eq!(memory_bytes("MemTotal:       1024 kB\nMemFree: 1 kB\n"), 1 << 20);
        assert_eq!(kernel("Linux\n", "6.1.0\n"), "Linux 6.1.0");
        assert_eq!(os("NAME=x\nPRETTY_NAME=\"Debian 12\"\n"), "Debian 12");
        assert!(cpu_model("").starts_with("unknown"));
    }

    #[test]
    fn this_machine_has_cores() {
        assert!(Machine::here().cores > 0);
    }
}
