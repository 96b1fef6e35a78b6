//! The scripts by which the server keeps what is newest, and the names of the keys.

use super::board::{Kind, Order};

/// Sets a hash, unless what it holds is as new. Keys: the hash. Arguments: order, how long it lives (ms),
/// fields and values. 1 if it was set. A server that is full refuses the first write of a script only: it
/// must be one that takes memory.
pub(super) const SET_NEWEST: &str = "local o=redis.call('HGET',KEYS[1],'order') \
    if o and o>=ARGV[1] then return 0 end \
    redis.call('HSET',KEYS[1],'order',ARGV[1]) \
    redis.call('DEL',KEYS[1]) \
    redis.call('HSET',KEYS[1],'order',ARGV[1],unpack(ARGV,3)) \
    redis.call('PEXPIRE',KEYS[1],ARGV[2]) return 1";

/// Ranks facilities by risk, unless what is known of one is as new, and forgets those whose newest row is too
/// old. Keys: by risk, by time, orders. Arguments: the time before which rows are too old, how long the keys
/// live (ms), then facility, order, time and risk of each.
pub(super) const RANK: &str = "for i=3,#ARGV,4 do \
    local o=redis.call('HGET',KEYS[3],ARGV[i]) \
    if not o or o<ARGV[i+1] then \
    redis.call('HSET',KEYS[3],ARGV[i],ARGV[i+1]) \
    redis.call('ZADD',KEYS[2],ARGV[i+2],ARGV[i]) \
    redis.call('ZADD',KEYS[1],ARGV[i+3],ARGV[i]) end end \
    local g=redis.call('ZRANGEBYSCORE',KEYS[2],'-inf','('..ARGV[1],'LIMIT',0,1000) \
    if #g>0 then redis.call('ZREM',KEYS[1],unpack(g)) redis.call('ZREM',KEYS[2],unpack(g)) \
    redis.call('HDEL',KEYS[3],unpack(g)) end \
    for i=1,3 do redis.call('PEXPIRE',KEYS[i],ARGV[2]) end return #g";

/// A hash's key.
pub(super) fn key(prefix: &str, kind: Kind, id: &str) -> String {
    let kind = match kind {
        Kind::Well => "well",
        Kind::Tank => "tank",
        Kind::Facility => "facility",
    };
    format!("{prefix}{kind}:{id}")
}

/// The keys of the ranking: one tag, so that they share a slot.
pub(super) fn ranking(prefix: &str) -> [String; 3] {
    ["risk", "time", "order"].map(|what| format!("{prefix}{{facilities}}:{what}"))
}

/// An order as text that sorts like it: digits of fixed width. A missing place is 0, others count from 1.
pub(super) fn order_text((time_ms, places): Order, kind: Kind) -> String {
    let [a, b, c, d] = places.map(|place| place.saturating_add(1).max(0));
    match kind {
        Kind::Facility => format!("{:015}:{a:010}:{b:019}:{c:010}:{d:019}", time_ms.max(0)),
        Kind::Well | Kind::Tank => format!("{:015}:{a:010}:{b:019}", time_ms.max(0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_sort_as_their_texts_do() {
        let orders: [Order; 6] = [
            (1_700_000_000_000, [-1, -1, 2, 3]),
            (1_700_000_000_000, [0, 9, -1, -1]),
            (1_700_000_000_000, [0, 10, -1, -1]),
            (1_700_000_000_000, [2, i64::MAX - 1, 0, 0]),
            (1_700_000_000_000, [10, 0, 0, 0]),
            (253_402_300_799_999, [0, 0, 0, 0]),
        ];
        for kind in [Kind::Facility, Kind::Well] {
            let texts = orders.map(|order| order_text(order, kind));
            assert!(texts.is_sorted(), "{texts:?}");
            assert!(texts.iter().all(|text| text.len() == texts[0].len()));
        }
    }

    #[test]
    fn keys_of_one_script_share_a_slot() {
        let tag =
            |key: &str| key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).unwrap().0.to_owned();
        assert!(ranking("site-").iter().all(|key| tag(key) == "facilities"));
        assert_eq!(key("", Kind::Well, "WELL-42"), "well:WELL-42");
    }
}
