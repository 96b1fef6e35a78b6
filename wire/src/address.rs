//! Where a broker is.

use std::fmt;

use crate::error::WireError;

/// A broker's host and port.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// Its name or number; an IPv6 number without its brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl Address {
    /// From `HOST:PORT`, `HOST` (port 9092), `[IPV6]:PORT`; a listener's name (`PLAINTEXT://`) may stand in
    /// front.
    ///
    /// ```
    /// # use wellstream_wire::address::Address;
    /// let address = Address::parse("SASL_SSL://kafka-1.example:9093").unwrap();
    /// assert_eq!((address.host.as_str(), address.port), ("kafka-1.example", 9093));
    /// assert_eq!(Address::parse("[::1]:9092").unwrap().to_string(), "[::1]:9092");
    /// assert!(Address::parse("kafka:port").is_err());
    /// ```
    ///
    /// # Errors
    /// It is none of these.
    pub fn parse(text: &str) -> Result<Address, WireError> {
        let refuse = || WireError::Address { text: text.to_owned() };
        let rest = text.trim().rsplit("://").next().unwrap_or_default();
        let (host, port) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (host, behind) = rest.split_once(']').ok_or_else(refuse)?;
                (host, behind.strip_prefix(':'))
            }
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        let port = port.map_or(Ok(PORT), str::parse).map_err(|_| refuse())?;
        if host.is_empty() {
            return Err(refuse());
        }
        Ok(Address { host: host.to_owned(), port })
    }

    /// Those of `HOST:PORT,...`.
    ///
    /// # Errors
    /// One of them is none, or there is none.
    pub fn list(text: &str) -> Result<Vec<Address>, WireError> {
        let addresses: Vec<_> = text
            .split(',')
            .filter(|part| !part.trim().is_empty())
            .map(Address::parse)
            .collect::<Result<_, _>>()?;
        if addresses.is_empty() { Err(WireError::Address { text: text.to_owned() }) } else { Ok(addresses) }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Kafka's port.
const PORT: u16 = 9092;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_every_broker_and_no_empty_part() {
        let list = Address::list("a:1, b:2,,c").unwrap();
        let shown: Vec<_> = list.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["a:1", "b:2", "c:9092"]);
        for bad in ["", ",", "a:1,:2", "[::1", "a:70000"] {
            assert!(Address::list(bad).is_err(), "{bad}");
        }
    }
}
