//! Random bytes from the kernel (getrandom(2)).

/// Fills an array with random bytes; waits only if the kernel's pool was never seeded, early at boot.
pub fn bytes<const N: usize>() -> std::io::Result<[u8; N]> {
    let mut buffer = [0u8; N];
    let mut filled = 0;
    while filled < N {
        filled += rustix::rand::getrandom(&mut buffer[filled..], rustix::rand::GetRandomFlags::empty())?;
    }
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    #[test]
    fn bytes_of_two_calls_differ() {
        assert_ne!(super::bytes::<32>().expect("getrandom"), super::bytes::<32>().expect("getrandom"));
    }
}
