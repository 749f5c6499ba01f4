//! The comparison of `predict`, `draw` and `best` with their references.

use super::{
    Gpu,
    predict::{GpuPredicted, MAX_VOCAB, predict},
    testing::{gpus, numbers},
};
use crate::ops::{Ask, Prediction, Wait, cpu::predict::predict as reference, hash::pcg};
use crate::spec::{Amount, Position, Sampling, TokenId};
use crate::trace::Candidate;

fn complete(gpu: &Gpu, predicted: &GpuPredicted) -> (Vec<Prediction>, Vec<u32>) {
    let mut slices = predicted.slices().to_vec();
    slices.push(predicted.drawn.clone());
    let in_flight = gpu.read_back(&slices);
    let words = gpu.complete(&in_flight, Wait::Done).unwrap().unwrap();
    (predicted.decode(words.of(0)), words.of(1).to_vec())
}

fn run(
    gpu: &Gpu,
    logits: &[f32],
    v: usize,
    asks: &[Ask<'_>],
    n_drawable: usize,
) -> Vec<Prediction> {
    let predicted = predict(gpu, &gpu.tensor_from(logits, v), asks, n_drawable);
    let (out, drawn) = complete(gpu, &predicted);
    for (i, it) in out.iter().enumerate() {
        assert_eq!(
            drawn[i],
            it.drawn.map_or(0, |it| it.0),
            "what stays on the device"
        );
    }
    out
}

fn assert_candidate(got: Option<Candidate>, want: Option<Candidate>, what: &str) {
    assert_eq!(
        got.map(|it| (it.token, it.rank)),
        want.map(|it| (it.token, it.rank)),
        "{what}"
    );
    if let (Some(got), Some(want)) = (got, want) {
        let off = (got.log_prob - want.log_prob).abs();
        assert!(off <= 1e-5, "{what}: {got:?}, the reference has {want:?}");
    }
}

/// Fails where the device reads anything else off these rows than the reference.
fn check(gpu: &Gpu, logits: &[f32], v: usize, asks: &[Ask<'_>], n_drawable: usize, what: &str) {
    let got = run(gpu, logits, v, asks, n_drawable);
    let want = reference(logits, v, asks, n_drawable);
    assert_eq!(got.len(), want.len());
    for (i, (got, want)) in got.iter().zip(&want).enumerate() {
        let what = format!("{what}, V {v}, row {i}");
        assert_eq!((got.at, got.finite), (want.at, want.finite), "{what}");
        assert_eq!(got.drawn, want.drawn, "{what}: {:?}", asks[i].sampling);
        assert_candidate(got.next, want.next, &format!("{what}, next"));
        assert_eq!(got.top.len(), want.top.len(), "{what}");
        for (got, want) in got.top.iter().zip(&want.top) {
            assert_candidate(Some(*got), Some(*want), &format!("{what}, likeliest"));
        }
        assert_eq!(
            got.comparison.is_some(),
            want.comparison.is_some(),
            "{what}"
        );
        if let (Some(got), Some(want)) = (got.comparison, want.comparison) {
            let off = (got.kl - want.kl).abs();
            assert!(
                off <= (1e-5 * want.kl).max(1e-6),
                "{what}: KL {} for {}",
                got.kl,
                want.kl
            );
            assert_candidate(got.baseline, want.baseline, &format!("{what}, baseline"));
            assert_candidate(got.edited, want.edited, &format!("{what}, edited"));
        }
    }
}

/// Rows as a model's: a few tokens stand out, the rest falls off, some are equal.
fn logits(n_rows: usize, v: usize, seed: u32) -> Vec<f32> {
    let one = |(i, x): (usize, f32)| {
        let lift = if pcg(seed ^ i as u32).is_multiple_of(97) {
            12.0
        } else {
            4.0
        };
        let it = x * lift;
        if i.is_multiple_of(3) {
            (it * 4.0).round() / 4.0
        } else {
            it
        }
    };
    numbers(n_rows * v, seed)
        .into_iter()
        .enumerate()
        .map(one)
        .collect()
}

const READOUT: Ask<'static> = Ask {
    at: Position(0),
    next: None,
    sampling: None,
    against: None,
    readout: true,
};

fn sampling(temperature: f32, top_k: u32, top_p: f32, min_p: f32) -> Sampling {
    Sampling {
        temperature: Amount(temperature),
        top_k,
        top_p: Amount(top_p),
        min_p: Amount(min_p),
        seed: 5,
    }
}

/// Every filter alone and together, at several temperatures.
fn samplings() -> Vec<Sampling> {
    vec![
        sampling(0.0, 0, 1.0, 0.0),
        sampling(1.0, 0, 1.0, 0.0),
        sampling(0.7, 3, 1.0, 0.0),
        sampling(1.3, 0, 0.83, 0.0),
        sampling(1.0, 0, 1.0, 0.07),
        sampling(2.0, 40, 0.9, 0.0),
        sampling(0.7, 700, 0.95, 0.013),
        sampling(1.5, 900, 1.0, 0.003),
        sampling(3.0, 0, 0.97, 0.002),
        sampling(0.0, 5, 0.5, 0.5),
        sampling(1.0, u32::MAX, 1.0, 0.0),
        sampling(1.0, 1, 0.4, 0.0),
        sampling(0.02, 0, 0.999, 0.0),
        sampling(40.0, 0, 0.5, 0.0),
    ]
}

/// Asks of every kind: next tokens known and not, compared with the row before, with and without readouts.
fn asks(n: usize, v: usize, samplings: &[Sampling]) -> Vec<Ask<'_>> {
    let one = |i: usize| Ask {
        at: Position(i as u32 * 3),
        next: (i % 3 == 1).then(|| TokenId(pcg(i as u32) % v as u32)),
        sampling: (i % 5 != 4).then(|| &samplings[i % samplings.len()]),
        against: (i % 4 == 2).then(|| i - 1).or((i % 7 == 6).then_some(0)),
        readout: i % 6 != 5,
    };
    (0..n).map(one).collect()
}

#[test]
fn rows_of_every_size_are_read_as_by_the_reference() {
    let samplings = samplings();
    for gpu in gpus() {
        for (v, n) in [
            (1, 3),
            (7, 7),
            (21, 65),
            (1000, 65),
            (4097, 7),
            (4097, 1),
            (50_000, 7),
        ] {
            let asks = asks(n, v, &samplings);
            check(&gpu, &logits(n, v, 3), v, &asks, v - v / 10, "every kind");
        }
    }
}

#[test]
fn the_largest_vocabularies_are_read_as_by_the_reference() {
    let samplings = samplings();
    for gpu in gpus() {
        for (v, skip) in [(152_064, 5), (263_001, 2)] {
            let asks = asks(3, v, &samplings[skip..]);
            check(&gpu, &logits(3, v, 9), v, &asks, v - 1, "large");
        }
        let v = MAX_VOCAB;
        let greedy = sampling(0.0, 0, 1.0, 0.0);
        let ask = Ask {
            sampling: Some(&greedy),
            ..READOUT
        };
        check(&gpu, &crowded(v), v, &[ask], v, "the largest of all");
    }
}

#[test]
fn each_filter_leaves_what_the_reference_leaves() {
    let samplings = samplings();
    for gpu in gpus() {
        for v in [5, 300, 2500] {
            let rows = logits(1, v, 11).repeat(samplings.len() * 8);
            let ask = |i: usize| Ask {
                at: Position(i as u32),
                sampling: Some(&samplings[i % samplings.len()]),
                readout: false,
                ..READOUT
            };
            let asks: Vec<Ask<'_>> = (0..samplings.len() * 8).map(ask).collect();
            check(&gpu, &rows, v, &asks, v, "filters");
        }
    }
}

/// As many candidates as the kernel's pool can be asked to hold: all that twenty groups of lanes read.
fn crowded(v: usize) -> Vec<f32> {
    let one = |i: usize| if i % 256 < 80 { 7.0 } else { -30.0 };
    (0..v).map(one).collect()
}

/// Logits that are all equal, in long runs, sorted both ways, zeros of both signs: the most ties and the
/// most candidates there can be.
#[test]
fn ties_go_to_the_lowest_id_however_many_there_are() {
    let v = 21_600;
    let rows: [Vec<f32>; 7] = [
        vec![2.5; v],
        (0..v).map(|i| (i / 5000) as f32).collect(),
        (0..v).map(|i| -(i as f32) / 1000.0).collect(),
        (0..v).map(|i| i as f32 / 1000.0).collect(),
        (0..v)
            .map(|i| if i % 3 == 1 { 0.0 } else { -0.0 })
            .collect(),
        (0..v)
            .map(|i| if i % 11 == 3 { 7.0 } else { -30.0 })
            .collect(),
        crowded(v),
    ];
    // Edges that no rounding moves: half of equal masses, and counts.
    let samplings = [
        sampling(0.0, 0, 1.0, 0.0),
        sampling(1.0, 1500, 1.0, 0.0),
        sampling(1.0, 15_000, 0.5, 0.0),
        sampling(1.0, 0, 0.5, 0.0),
        sampling(1.0, 0, 1.0, 1.0),
        sampling(1.0, 2, 1.0, 0.5),
    ];
    for gpu in gpus() {
        for (kind, row) in rows.iter().enumerate() {
            let ask = |(i, sampling): (usize, _)| Ask {
                at: Position(i as u32 + 40),
                next: Some(TokenId((i * 5003) as u32)),
                sampling: Some(sampling),
                against: i.checked_sub(1),
                readout: i % 3 == 1,
            };
            let asks: Vec<Ask<'_>> = samplings.iter().enumerate().map(ask).collect();
            let what = format!("ties of kind {kind}");
            check(&gpu, &row.repeat(samplings.len()), v, &asks, v, &what);
        }
    }
}

#[test]
fn what_is_no_number_is_seen_and_stops_nothing() {
    let v = 2100;
    let samplings = samplings();
    for gpu in gpus() {
        let mut rows = logits(samplings.len(), v, 4);
        let bad = [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
        for (i, row) in rows.chunks_exact_mut(v).enumerate() {
            match i % 6 {
                0 => {}
                1 => row.fill(bad[i % 4]),
                _ => row[(i * 611) % v] = bad[i % 4],
            }
        }
        let ask = |(i, it): (usize, _)| Ask {
            at: Position(i as u32),
            sampling: Some(it),
            against: Some(0),
            ..READOUT
        };
        let asks: Vec<Ask<'_>> = samplings.iter().enumerate().map(ask).collect();
        let got = run(&gpu, &rows, v, &asks, v - 100);
        let want = reference(&rows, v, &asks, v - 100);
        for (got, want) in got.iter().zip(&want) {
            assert_eq!(got.finite, want.finite);
            assert!(got.drawn.unwrap().idx() < v - 100);
            let shown = got.top[0].log_prob;
            assert_eq!(shown.is_nan(), !want.finite, "{shown}");
        }
        assert!(got[0].finite && !got[1].finite);
        // A row is the same whatever stands beside it.
        let alone = run(&gpu, &rows[..v], v, &asks[..1], v - 100);
        assert_eq!(got[0], alone[0]);
    }
}

#[test]
fn equal_rows_diverge_by_exactly_nothing_and_other_rows_by_what_is_asked() {
    for gpu in gpus() {
        for v in [1, 7, 1000, 20_001] {
            let a = logits(1, v, 21);
            let nudged: Vec<f32> = a
                .iter()
                .zip(numbers(v, 22))
                .map(|(a, x)| a + x * 1e-3)
                .collect();
            let far: Vec<f32> = logits(1, v, 23).iter().map(|it| it * 3.0).collect();
            let rows = [a.clone(), a, nudged, far].concat();
            let against = |i| Ask {
                next: Some(TokenId(v as u32 / 2)),
                against: Some(i),
                readout: false,
                ..READOUT
            };
            let asks = [against(1), against(0), against(0), against(0)];
            check(&gpu, &rows, v, &asks, v, "divergence");
            let got = run(&gpu, &rows, v, &asks, v);
            for it in &got[..2] {
                assert_eq!(it.comparison.unwrap().kl.to_bits(), 0, "V {v}");
            }
            assert!(v == 1 || got[2].comparison.unwrap().kl > 1e-9);
        }
    }
}

#[test]
fn where_no_token_is_known_rows_are_compared_on_the_one_that_was_drawn() {
    let v = 3000;
    let drawn = sampling(1.0, 0, 0.9, 0.0);
    for gpu in gpus() {
        let asks = [
            Ask {
                sampling: Some(&drawn),
                readout: false,
                ..READOUT
            },
            Ask {
                against: Some(0),
                ..READOUT
            },
        ];
        let got = run(&gpu, &logits(2, v, 31), v, &asks, v);
        let comparison = got[1].comparison.unwrap();
        assert_eq!(comparison.baseline.map(|it| it.token), got[0].drawn);
        assert_eq!(comparison.edited.map(|it| it.token), got[0].drawn);
        assert_eq!((got[0].next, got[1].next, got[1].drawn), (None, None, None));
        check(&gpu, &logits(2, v, 31), v, &asks, v, "drawn");
    }
}

#[test]
fn temperature_zero_takes_the_likeliest_that_may_be_drawn() {
    let greedy = Sampling::greedy();
    for gpu in gpus() {
        let (v, n) = (5003, 9);
        let ask = Ask {
            sampling: Some(&greedy),
            ..READOUT
        };
        let got = run(&gpu, &logits(n, v, 41), v, &vec![ask; n], v);
        assert!(got.iter().all(|it| it.drawn == Some(it.top[0].token)));
        let rising: Vec<f32> = (0..v).map(|it| it as f32).collect();
        let got = run(&gpu, &rising, v, &[ask], 4000);
        assert_eq!(
            (got[0].drawn, got[0].top[0].token),
            (Some(TokenId(3999)), TokenId(5002))
        );
    }
}

/// As the reference's test: the limit is the 99.9th percentile of chi-square at 4 degrees of freedom. Fewer
/// draws under filters, which cost more: what they leave is compared with the reference elsewhere.
#[test]
fn draws_follow_what_each_filter_leaves() {
    const LOGITS: [f32; 5] = [1.0, 0.0, 2.0, -1.0, 0.5];
    const BATCH: u32 = 2000;
    let m = LOGITS.map(|it| f64::from(it).exp());
    let cold = LOGITS.map(|it| (f64::from(it) / 0.7).exp());
    let cases = [
        (sampling(0.7, 0, 1.0, 0.0), cold, 10),
        (sampling(1.0, 0, 0.8, 0.1), [m[0], 0.0, m[2], 0.0, m[4]], 2),
    ];
    let gpu = gpus().swap_remove(0);
    for (sampling, want, n_batches) in cases {
        let mut counts = [0u32; 5];
        for batch in 0..n_batches {
            let ask = |t| Ask {
                at: Position(t),
                sampling: Some(&sampling),
                readout: false,
                ..READOUT
            };
            let asks: Vec<Ask<'_>> = (batch * BATCH..(batch + 1) * BATCH).map(ask).collect();
            let got = run(&gpu, &LOGITS.repeat(BATCH as usize), 5, &asks, 5);
            got.iter()
                .for_each(|it| counts[it.drawn.unwrap().idx()] += 1);
        }
        let total: f64 = want.iter().sum();
        let mut chi2 = 0.0;
        for (count, want) in counts.iter().zip(want) {
            let expected = want / total * f64::from(n_batches * BATCH);
            if want == 0.0 {
                assert_eq!(*count, 0, "a token that was filtered out was drawn");
            } else {
                chi2 += (f64::from(*count) - expected).powi(2) / expected;
            }
        }
        assert!(
            chi2 < 18.47,
            "chi-square {chi2} of {counts:?} under {sampling:?}"
        );
    }
}

#[test]
fn the_kernels_are_as_many_however_many_rows_there_are() {
    let gpu = gpus().swap_remove(0);
    let plain = sampling(0.7, 0, 1.0, 0.0);
    let filtered = sampling(0.7, 0, 0.9, 0.0);
    let both = sampling(0.7, 20, 0.9, 0.0);
    let n_kernels = |sampling: &Sampling, n: usize| {
        let ask = Ask {
            sampling: Some(sampling),
            against: Some(0),
            ..READOUT
        };
        let before = gpu.counters().dispatches;
        run(&gpu, &logits(n, 1500, 1), 1500, &vec![ask; n], 1500);
        gpu.counters().dispatches - before
    };
    for (sampling, want) in [(plain, 5), (filtered, 12), (both, 15)] {
        assert_eq!([1, 7, 65].map(|n| n_kernels(&sampling, n)), [want; 3]);
    }
}

/// Not a test of anything: run by hand with `--ignored --nocapture`.
#[test]
#[ignore = "measures"]
fn how_long_rows_take() {
    let gpu = gpus().swap_remove(0);
    let v = 50_304;
    for (name, sampling) in [
        ("plain", sampling(0.7, 0, 1.0, 0.0)),
        ("top-k and top-p", sampling(0.7, 20, 0.9, 0.0)),
    ] {
        for n in [1, 64] {
            let rows = logits(n, v, 1);
            let tensor = gpu.tensor_from(&rows, v);
            for readout in [false, true] {
                let ask = |i| Ask {
                    at: Position(i as u32),
                    sampling: Some(&sampling),
                    against: readout.then_some(0),
                    readout,
                    ..READOUT
                };
                let asks: Vec<Ask<'_>> = (0..n).map(ask).collect();
                let mut best = f64::INFINITY;
                for _ in 0..3 {
                    let start = std::time::Instant::now();
                    complete(&gpu, &predict(&gpu, &tensor, &asks, v));
                    best = best.min(start.elapsed().as_secs_f64());
                }
                let start = std::time::Instant::now();
                reference(&rows, v, &asks, v);
                let cpu = start.elapsed().as_secs_f64();
                println!(
                    "{name}, {n} asks, readout {readout}: {:.2} ms, reference {:.2} ms",
                    best * 1e3,
                    cpu * 1e3
                );
            }
        }
    }
}
