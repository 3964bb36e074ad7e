//! Quantities as Docker's flags write them: `512m`, `1.5`, `10s`.

/// Why a text is not a quantity.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum ParseQuantityError {
    #[error("not a size: write bytes with b, k, m, g or t behind, such as 512m")]
    Bytes,
    #[error("not a number of cpus: write a positive decimal such as 1.5")]
    Cpus,
    #[error("not a duration: write a number with ms, s, m or h behind, such as 10s")]
    Duration,
}

/// Bytes from `512m`, `1.5g`, `100kb`, `64MiB`; every unit counts in 1,024s, as Docker's do.
pub fn parse_bytes(text: &str) -> Result<u64, ParseQuantityError> {
    let lower = text.trim().to_ascii_lowercase();
    let split = lower.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(lower.len());
    let (number, unit) = lower.split_at(split);
    let number: f64 = number.parse().map_err(|_| ParseQuantityError::Bytes)?;
    let factor = match unit.trim() {
        "" | "b" => 1u64,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        _ => return Err(ParseQuantityError::Bytes),
    };
    let bytes = number * factor as f64;
    if bytes.is_finite() && bytes < 9.0e18 { Ok(bytes as u64) } else { Err(ParseQuantityError::Bytes) }
}

/// Thousandths of a cpu from `1.5`; at least 10 (one hundredth), the kernel's least quota of 1 ms in 100 ms.
pub fn parse_cpus(text: &str) -> Result<u64, ParseQuantityError> {
    let number: f64 = text.trim().parse().map_err(|_| ParseQuantityError::Cpus)?;
    let milli = (number * 1000.0).round();
    if number.is_finite() && (10.0..=1.0e9).contains(&milli) { Ok(milli as u64) } else { Err(ParseQuantityError::Cpus) }
}

/// Milliseconds from `300ms`, `10s`, `1m30s`, `2h`; a bare number is seconds.
pub fn parse_duration_ms(text: &str) -> Result<u64, ParseQuantityError> {
    let mut rest = text.trim();
    if let Ok(seconds) = rest.parse::<u64>() {
        return seconds.checked_mul(1000).ok_or(ParseQuantityError::Duration);
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let split = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or(ParseQuantityError::Duration)?;
        let number: f64 = rest[..split].parse().map_err(|_| ParseQuantityError::Duration)?;
        rest = &rest[split..];
        let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        total += number
            * match &rest[..end] {
                "ms" => 1.0,
                "s" => 1e3,
                "m" => 6e4,
                "h" => 3.6e6,
                _ => return Err(ParseQuantityError::Duration),
            };
        rest = &rest[end..];
    }
    if text.trim().is_empty() || total > 1e15 { Err(ParseQuantityError::Duration) } else { Ok(total as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_with_units_count_in_1024s() {
        for (text, bytes) in
            [("0", 0), ("5b", 5), ("1k", 1024), ("512m", 512 << 20), ("1.5G", 3 << 29), ("64MiB", 64 << 20)]
        {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "m", "-1", "1x", "1.2.3", "99999999999t"] {
            assert_eq!(parse_bytes(text), Err(ParseQuantityError::Bytes), "{text}");
        }
    }

    #[test]
    fn cpus_below_one_hundredth_or_negative_are_refused() {
        assert_eq!(parse_cpus("1.5"), Ok(1500));
        for text in ["0", "0.001", "-1", "x", "inf", "nan"] {
            assert_eq!(parse_cpus(text), Err(ParseQuantityError::Cpus), "{text}");
        }
    }

    #[test]
    fn durations_add_their_parts() {
        for (text, ms) in [("10", 10_000), ("300ms", 300), ("1m30s", 90_000), ("2h", 7_200_000)] {
            assert_eq!(parse_duration_ms(text), Ok(ms), "{text}");
        }
        for text in ["", "s", "10x", "1m30"] {
            assert_eq!(parse_duration_ms(text), Err(ParseQuantityError::Duration), "{text}");
        }
    }
}
