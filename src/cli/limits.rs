//! The flags for limits, shared by `run`, `create` and `update`.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use crate::model::{DeviceRate, Limits, RestartPolicy, parse_bytes, parse_cpus};

/// Docker's least memory limit.
const LEAST_MEMORY: u64 = 6 << 20;

/// Limits that can be changed while a container runs. A zero, or an empty text, takes a limit away.
#[derive(Args, Clone, Debug, Default)]
pub struct LimitFlags {
    /// Memory limit, such as 512m
    #[arg(short, long, value_name = "BYTES")]
    pub memory: Option<String>,
    /// Limit of memory and swap together (-1: swap without limit)
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    pub memory_swap: Option<String>,
    /// Memory that is left to it when the machine is short
    #[arg(long, value_name = "BYTES")]
    pub memory_reservation: Option<String>,
    /// How many cpus, such as 1.5
    #[arg(long, value_name = "NUMBER")]
    pub cpus: Option<String>,
    /// Weight among others that want the cpu (the kernel's own is 1024)
    #[arg(short = 'c', long, value_name = "WEIGHT")]
    pub cpu_shares: Option<u64>,
    /// Microseconds of cpu time in each period
    #[arg(long, value_name = "MICROSECONDS", allow_negative_numbers = true)]
    pub cpu_quota: Option<i64>,
    /// Length of the quota's period
    #[arg(long, value_name = "MICROSECONDS")]
    pub cpu_period: Option<u64>,
    /// Cpus it may run on, such as 0-2,4
    #[arg(long, value_name = "LIST")]
    pub cpuset_cpus: Option<String>,
    /// Memory nodes it may use, such as 0,1
    #[arg(long, value_name = "LIST")]
    pub cpuset_mems: Option<String>,
    /// Limit of processes and threads (-1: none)
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub pids_limit: Option<i64>,
    /// Weight among others that use the disk, 10 to 1000
    #[arg(long, value_name = "WEIGHT")]
    pub blkio_weight: Option<u16>,
}

/// Limits of single block devices.
#[derive(Args, Clone, Debug, Default)]
pub struct DeviceFlags {
    /// Most bytes a second read from a device
    #[arg(long, value_name = "DEVICE:BYTES")]
    pub device_read_bps: Vec<String>,
    /// Most bytes a second written to a device
    #[arg(long, value_name = "DEVICE:BYTES")]
    pub device_write_bps: Vec<String>,
    /// Most reads a second from a device
    #[arg(long, value_name = "DEVICE:NUMBER")]
    pub device_read_iops: Vec<String>,
    /// Most writes a second to a device
    #[arg(long, value_name = "DEVICE:NUMBER")]
    pub device_write_iops: Vec<String>,
}

impl LimitFlags {
    /// The wish these flags make, zeros kept.
    pub fn limits(&self) -> Result<Limits, Failure> {
        let memory_bytes = bytes("memory", self.memory.as_deref())?;
        if memory_bytes.is_some_and(|bytes| bytes != 0 && bytes < LEAST_MEMORY) {
            return Err(Failure::usage("--memory: the least limit is 6m"));
        }
        let memory_swap_bytes = match self.memory_swap.as_deref() {
            Some("-1") => Some(-1),
            text => bytes("memory-swap", text)?.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
        };
        let cpu_milli = match self.cpus.as_deref() {
            Some(text) if text.parse() == Ok(0.0) => Some(0),
            text => text.map(parse_cpus).transpose().map_err(|error| wrong("cpus", &error))?,
        };
        // Docker's word for no limit is -1, too.
        let positive = |number: i64| u64::try_from(number).unwrap_or(0);
        Ok(Limits {
            memory_bytes,
            memory_swap_bytes,
            memory_reservation_bytes: bytes("memory-reservation", self.memory_reservation.as_deref())?,
            cpu_milli,
            cpu_shares: self.cpu_shares,
            cpu_quota_us: self.cpu_quota.map(positive),
            cpu_period_us: self.cpu_period,
            cpuset_cpus: self.cpuset_cpus.clone(),
            cpuset_mems: self.cpuset_mems.clone(),
            pids: self.pids_limit.map(positive),
            blkio_weight: self.blkio_weight,
            ..Limits::default()
        })
    }
}

impl DeviceFlags {
    /// `limits` with the devices' added.
    pub fn add_to(&self, limits: Limits) -> Result<Limits, Failure> {
        let amount = |text: &str| parse_bytes(text).ok();
        let count = |text: &str| text.parse().ok();
        Ok(Limits {
            device_read_bps: rates("device-read-bps", &self.device_read_bps, amount)?,
            device_write_bps: rates("device-write-bps", &self.device_write_bps, amount)?,
            device_read_iops: rates("device-read-iops", &self.device_read_iops, count)?,
            device_write_iops: rates("device-write-iops", &self.device_write_iops, count)?,
            ..limits
        })
    }
}

/// The value of `--restart`.
pub fn restart_policy(text: &str) -> Result<RestartPolicy, String> {
    text.parse().map_err(|error: crate::model::ParseRestartError| error.to_string())
}

/// The limits in the words of Docker's `HostConfig`: zero, or an empty text, is none.
pub fn host_limits(limits: &Limits) -> Map<String, Value> {
    let rates = |rates: &[DeviceRate]| -> Value {
        rates.iter().map(|rate| json!({"Path": rate.path, "Rate": rate.rate})).collect()
    };
    let entries = [
        ("Memory", json!(limits.memory_bytes.unwrap_or(0))),
        ("MemorySwap", json!(limits.swap_bytes().unwrap_or(0))),
        ("MemoryReservation", json!(limits.memory_reservation_bytes.unwrap_or(0))),
        ("NanoCpus", json!(limits.cpu_milli.unwrap_or(0) * 1_000_000)),
        ("CpuShares", json!(limits.cpu_shares.unwrap_or(0))),
        ("CpuQuota", json!(limits.cpu_quota_us.unwrap_or(0))),
        ("CpuPeriod", json!(limits.cpu_period_us.unwrap_or(0))),
        ("CpusetCpus", json!(limits.cpuset_cpus.as_deref().unwrap_or_default())),
        ("CpusetMems", json!(limits.cpuset_mems.as_deref().unwrap_or_default())),
        ("PidsLimit", json!(limits.pids)),
        ("BlkioWeight", json!(limits.blkio_weight.unwrap_or(0))),
        ("BlkioDeviceReadBps", rates(&limits.device_read_bps)),
        ("BlkioDeviceWriteBps", rates(&limits.device_write_bps)),
        ("BlkioDeviceReadIOps", rates(&limits.device_read_iops)),
        ("BlkioDeviceWriteIOps", rates(&limits.device_write_iops)),
    ];
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn wrong(flag: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::usage(format!("--{flag}: {error}"))
}

fn bytes(flag: &str, text: Option<&str>) -> Result<Option<u64>, Failure> {
    text.map(parse_bytes).transpose().map_err(|error| wrong(flag, &error))
}

fn rates(flag: &str, texts: &[String], rate: impl Fn(&str) -> Option<u64>) -> Result<Vec<DeviceRate>, Failure> {
    let one = |text: &String| {
        let (path, value) = text.rsplit_once(':')?;
        let rate = rate(value)?;
        path.starts_with('/').then(|| DeviceRate { path: PathBuf::from(path), rate })
    };
    let refused = |text: &String| Failure::usage(format!("--{flag}: {text:?} is not as /dev/sda:1mb"));
    texts.iter().map(|text| one(text).ok_or_else(|| refused(text))).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        limits: LimitFlags,
        #[command(flatten)]
        devices: DeviceFlags,
    }

    fn limits(line: &str) -> Result<Limits, String> {
        let parsed = Only::try_parse_from(["x"].into_iter().chain(line.split_whitespace()))
            .map_err(|error| error.to_string())?;
        let limits = parsed.limits.limits().map_err(|failure| failure.message)?;
        parsed.devices.add_to(limits).map_err(|failure| failure.message)
    }

    #[test]
    fn every_flag_reaches_its_limit() {
        let line = "-m 64m --memory-swap -1 --memory-reservation 32m --cpus 1.5 -c 512 --cpu-quota 5000 --cpu-period 10000 --cpuset-cpus 0-1 --cpuset-mems 0 --pids-limit 20 --blkio-weight 300 --device-read-bps /dev/a:b:1mb --device-write-bps /dev/a:2k --device-read-iops /dev/a:3 --device-write-iops /dev/a:4";
        let rate = |path: &str, rate| vec![DeviceRate { path: path.into(), rate }];
        assert_eq!(
            limits(line).expect("parses"),
            Limits {
                memory_bytes: Some(64 << 20),
                memory_swap_bytes: Some(-1),
                memory_reservation_bytes: Some(32 << 20),
                cpu_milli: Some(1500),
                cpu_shares: Some(512),
                cpu_quota_us: Some(5000),
                cpu_period_us: Some(10_000),
                cpuset_cpus: Some("0-1".to_owned()),
                cpuset_mems: Some("0".to_owned()),
                pids: Some(20),
                blkio_weight: Some(300),
                device_read_bps: rate("/dev/a:b", 1 << 20),
                device_write_bps: rate("/dev/a", 2 << 10),
                device_read_iops: rate("/dev/a", 3),
                device_write_iops: rate("/dev/a", 4),
            }
        );
    }

    #[test]
    fn zeros_and_minus_one_are_kept_as_a_wish_for_none() {
        let none = limits("-m 0 --cpus 0 --pids-limit -1 --cpu-quota -1 --cpuset-cpus=").expect("parses");
        assert_eq!(
            (none.memory_bytes, none.cpu_milli, none.pids, none.cpu_quota_us),
            (Some(0), Some(0), Some(0), Some(0))
        );
        assert_eq!(Limits::default().changed_by(&none), Limits::default());
    }

    #[test]
    fn wrong_values_name_their_flag() {
        for (line, flag) in [
            ("-m 5m", "--memory"),
            ("-m x", "--memory"),
            ("--memory-swap -2", "--memory-swap"),
            ("--cpus many", "--cpus"),
            ("--cpu-shares x", "--cpu-shares"),
            ("--blkio-weight 70000", "--blkio-weight"),
            ("--device-read-bps sda:1", "--device-read-bps"),
            ("--device-write-iops /dev/sda", "--device-write-iops"),
        ] {
            let message = limits(line).expect_err(line);
            assert!(message.contains(flag), "{line}: {message}");
        }
    }
}
