//! What a test against real servers asks first: their addresses, and names that nobody else has. The tests of
//! the binary use this file too.

use std::sync::atomic::{AtomicU32, Ordering};

use wellstream_connectors::MachineClock;

/// An address from the environment, or a word about skipping; with WELLSTREAM_TEST_REQUIRED=1 it must be
/// there.
pub fn address(variable: &str) -> Option<String> {
    if let Ok(address) = std::env::var(variable) {
        return Some(address);
    }
    let required = std::env::var("WELLSTREAM_TEST_REQUIRED").is_ok_and(|value| value == "1");
    assert!(!required, "{variable} is not set, and WELLSTREAM_TEST_REQUIRED=1");
    #[expect(clippy::print_stdout, reason = "a skipped test says so")]
    {
        println!("skipped: {variable} is not set");
    }
    None
}

/// A name that no other test and no earlier run has.
pub fn unique(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let (wall, number) = (MachineClock::start().wall_ms(), NEXT.fetch_add(1, Ordering::Relaxed));
    format!("test-{what}-{wall}-{}-{number}", std::process::id())
}
