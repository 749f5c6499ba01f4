//! What was measured, as text and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{
    sample::{Sample, Versus},
    stopwatch::{Parts, Profile},
};
use crate::ops::{KernelTime, PeakRates};
use crate::spec::{count_of, shown};

/// What was measured.
#[derive(Debug)]
pub struct BenchReport {
    pub name: String,
    /// Where it ran.
    pub device: String,
    /// Weights all, and those one token passes.
    pub weight_bytes: u64,
    pub token_bytes: u64,
    /// With what is shown of each token: routing, and what its logits predict.
    pub prefill: Sample,
    /// With the logits of the last one alone.
    pub reread: Sample,
    pub decode: Sample,
    pub tracing: Versus,
    pub edits: Versus,
    pub parts: Option<Parts>,
    pub profiles: Vec<Profile>,
    pub first_frame: Option<Sample>,
    pub peak_bytes: Option<u64>,
    pub peak_rates: Option<PeakRates>,
    pub n_prompt: usize,
}

impl BenchReport {
    /// Decode's share of the device's copy bandwidth.
    fn bandwidth_share(&self) -> Option<f64> {
        let it = self.peak_rates?;
        Some(self.token_bytes as f64 / self.decode.median / it.copy_bytes_per_sec)
    }

    /// A line each, then a table for each profile.
    pub fn as_text(&self) -> String {
        let mut out = String::new();
        for (name, text) in self.lines() {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{name:<18}{}", shown(text));
        }
        for it in &self.profiles {
            self.table(it, &mut out);
        }
        out
    }

    fn lines(&self) -> Vec<(&'static str, String)> {
        let gb = |bytes: f64| bytes / 1e9;
        let weights = format!(
            "{}, {:.2} GB of weights",
            self.name,
            gb(self.weight_bytes as f64)
        );
        let prefill = format!(
            "{}, {} at once",
            speed(&self.prefill, self.n_prompt),
            self.n_prompt
        );
        let token = gb(self.token_bytes as f64);
        let mut out = vec![
            ("model", weights),
            ("device", self.device.clone()),
            ("prefill", prefill),
            (
                "read again",
                format!(
                    "{}, with the logits of the last one alone",
                    speed(&self.reread, self.n_prompt)
                ),
            ),
            ("decode", speed(&self.decode, 1)),
            (
                "weights a token",
                format!("{token:.3} GB, so {:.2} GB/s", token / self.decode.median),
            ),
        ];
        if let (Some(it), Some(share)) = (&self.peak_rates, self.bandwidth_share()) {
            let text = format!(
                "{:.2} GB/s read and written, {} MiB at a time; decode is {:.0} % of it",
                gb(it.copy_bytes_per_sec),
                it.copy_bytes >> 20,
                100.0 * share
            );
            out.push(("copy bandwidth", text));
        }
        if let Some(it) = &self.parts {
            out.push(("one token alone", parts(it)));
        }
        if let Some(secs) = self.peak_rates.and_then(|it| it.dispatch_secs) {
            let text = format!("{:.2} µs from one tiny kernel to the next", secs * 1e6);
            out.push(("chained dispatch", text));
        }
        out.push(("tracing", versus(&self.tracing)));
        out.push(("ten edits", versus(&self.edits)));
        if let Some(it) = &self.first_frame {
            let text = format!(
                "{:.2} s from start, model open (median of {})",
                it.median, it.n
            );
            out.push(("first frame", text));
        }
        if let Some(bytes) = self.peak_bytes {
            let text = format!(
                "{:.0} MB, mapped or made-up weights counted",
                bytes as f64 / 1e6
            );
            out.push(("peak memory", text));
        }
        out
    }

    fn table(&self, profile: &Profile, out: &mut String) {
        let total = profile.total_secs();
        let what = if profile.n_tokens == 1 {
            "a token".to_owned()
        } else {
            format!("{} at once", count_of(profile.n_tokens, "token"))
        };
        let ms = 1e3 * total / profile.n_steps as f64;
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "\nkernels of {what}: {ms:.3} ms, each timed by itself\n{:<28}{:>6}{:>12}{:>12}{:>8}{:>14}",
            "", "runs", "µs each", "ms a step", "share", "weights"
        );
        for it in &profile.kernels {
            let (runs, step) = (it.n as f64, profile.n_steps as f64);
            let weights = self
                .kernel_speed(it)
                .map_or(String::new(), |(speed, share)| {
                    let share = share.map_or(String::new(), |it| format!(" {:>3.0} %", 100.0 * it));
                    format!("{:>8.2} GB/s{share}", speed / 1e9)
                });
            let _ = writeln!(
                out,
                "{:<28}{:>6.0}{:>12.1}{:>12.3}{:>6.1} %  {weights}",
                it.name,
                runs / step,
                1e6 * it.secs / runs,
                1e3 * it.secs / step,
                100.0 * it.secs / total,
            );
        }
    }

    /// Bytes of weights a kernel reads a second, and its share of the copy bandwidth.
    fn kernel_speed(&self, it: &KernelTime) -> Option<(f64, Option<f64>)> {
        (it.weight_bytes > 0).then_some(())?;
        let speed = it.weight_bytes as f64 / it.secs;
        let share = self.peak_rates.map(|it| speed / it.copy_bytes_per_sec);
        Some((speed, share))
    }

    /// The same for programs, all of it in base units.
    pub fn as_json(&self) -> Value {
        let sample = |it: &Sample| json!({ "median_secs": it.median, "lower_secs": it.lower, "upper_secs": it.upper, "runs": it.n });
        let versus = |it: &Versus| json!({ "on_over_off": it.ratio, "half_width": it.half_width, "pairs": it.n });
        json!({
            "model": self.name,
            "device": self.device,
            "weight_bytes": self.weight_bytes,
            "prefill": { "tokens": self.n_prompt, "tokens_per_sec": self.n_prompt as f64 / self.prefill.median, "time": sample(&self.prefill) },
            "reread": { "tokens": self.n_prompt, "tokens_per_sec": self.n_prompt as f64 / self.reread.median, "time": sample(&self.reread) },
            "decode": { "tokens_per_sec": 1.0 / self.decode.median, "time": sample(&self.decode) },
            "weight_bytes_per_token": self.token_bytes,
            "copy_bytes_per_sec": self.peak_rates.map(|it| it.copy_bytes_per_sec),
            "copy_bytes": self.peak_rates.map(|it| it.copy_bytes),
            "decode_share_of_copy_bandwidth": self.bandwidth_share(),
            "chained_dispatch_secs": self.peak_rates.and_then(|it| it.dispatch_secs),
            "token": self.parts.map(|it| json!({
                "encode_secs": it.encode_secs,
                "device_secs": it.device_secs,
                "readback_secs": it.readback_secs,
                "dispatches": it.n_dispatches,
            })),
            "profiles": self.profiles.iter().map(|it| self.profile_json(it)).collect::<Vec<_>>(),
            "tracing": versus(&self.tracing),
            "ten_edits": versus(&self.edits),
            "first_frame": self.first_frame.as_ref().map(sample),
            "peak_bytes": self.peak_bytes,
        })
    }

    fn profile_json(&self, profile: &Profile) -> Value {
        let kernel = |it: &KernelTime| {
            let weights = self.kernel_speed(it);
            json!({
                "name": it.name,
                "runs_per_step": it.n as f64 / profile.n_steps as f64,
                "secs_per_step": it.secs / profile.n_steps as f64,
                "weight_bytes_per_sec": weights.map(|it| it.0),
                "share_of_copy_bandwidth": weights.and_then(|it| it.1),
            })
        };
        json!({
            "tokens": profile.n_tokens,
            "steps": profile.n_steps,
            "kernels": profile.kernels.iter().map(kernel).collect::<Vec<_>>(),
        })
    }
}

fn speed(it: &Sample, n: usize) -> String {
    let per_sec = |secs: f64| n as f64 / secs;
    format!(
        "{:.1} tokens/s (middle half {:.1} to {:.1}, {} runs)",
        per_sec(it.median),
        per_sec(it.upper),
        per_sec(it.lower),
        it.n
    )
}

fn versus(it: &Versus) -> String {
    format!(
        "on takes {:.3} × off (± {:.3}, {})",
        it.ratio,
        it.half_width,
        count_of(it.n, "pair")
    )
}

fn parts(it: &Parts) -> String {
    let ms = |secs: f64| format!("{:.3} ms", 1e3 * secs);
    let device = it.device_secs.map_or(String::new(), |secs| {
        format!("{} on the device, ", ms(secs))
    });
    format!(
        "{} to encode {} dispatches, {device}{} to read back",
        ms(it.encode_secs),
        it.n_dispatches,
        ms(it.readback_secs)
    )
}

impl Profile {
    /// Of all kernels, over all steps.
    fn total_secs(&self) -> f64 {
        self.kernels.iter().map(|it| it.secs).sum()
    }
}
