//! Products of stored rows with several tokens: rows are widened once for many of them, a few columns at a time, so that
//! what is read again and again stays in the first cache.
//!
//! **Invariant:** the order of summation is that of `dot`: sixteen sums of a row and a token run over all columns, wait in
//! memory between one range of columns and the next, and are added as a tree at the end.

use std::{cell::RefCell, ops::Range};

use bytemuck::{Pod, Zeroable};

use super::level::LINE;
#[cfg(target_arch = "x86_64")]
use crate::formats::{Avx2, Avx512};
use crate::formats::{Lanes, N_LANES, Plain};

/// Rows that are widened and summed together: tokens, which lie in the second cache, are read once for all of them.
pub(super) const ROWS: usize = 8;
/// Lanes of a row that are widened together: whole blocks of every format.
const WIDTH: usize = 512 / N_LANES;
/// Bytes of tokens that rows pass by together: what the second cache holds beside their sums.
const TOKEN_BYTES: usize = 512 << 10;
/// Their number at most: their sums are to stay in that cache, too.
const MOST_TOKENS: usize = 128;

/// Sixteen numbers in a line of the cache.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
pub(super) struct Line([f32; N_LANES]);

impl Line {
    /// Writes sixteen numbers.
    #[inline(always)]
    pub(super) fn put<L: Lanes>(&mut self, it: L) {
        self.0 = it.to_array();
    }
}

/// Some lanes of a few rows, side by side.
pub(super) type Wide = [[Line; ROWS]; WIDTH];

/// Rows that can be widened.
pub(super) trait Rows {
    /// Numbers of a row.
    fn cols(&self) -> usize;
    /// Where the first row begins, and how many bytes a row takes.
    fn stored(&self) -> (*const u8, usize);
    /// Writes some lanes of at most [`ROWS`] rows.
    fn widen<L: Lanes>(&mut self, rows: Range<usize>, lanes: Range<usize>, out: &mut Wide);
    /// A number behind the last whole lanes of a row.
    fn one(&self, row: usize, col: usize) -> f32;
}

/// What is used again from product to product.
#[derive(Default)]
struct Room {
    tokens: Vec<Line>,
    sums: Vec<Line>,
}

thread_local! {
    static ROOM: RefCell<Room> = RefCell::default();
}

/// The first `out.len() / n` rows with all n tokens.
///
/// * `x`: activations `[n, cols]`
/// * `out`: `[rows, n]`, row after row
#[inline(always)]
pub(super) fn batch<L: Tiles>(rows: &mut impl Rows, x: &[f32], out: &mut [f32]) {
    let cols = rows.cols();
    let n_all = x.len() / cols;
    let n_rows = out.len() / n_all;
    let n_lanes = cols / N_LANES;
    let together = (TOKEN_BYTES / size_of_val(&x[..cols])).clamp(1, MOST_TOKENS);
    let mut room = ROOM.take();
    let mut wide: Wide = [[Line::zeroed(); ROWS]; WIDTH];
    let mut first_token = 0;
    while first_token < n_all {
        let n = together.min(n_all - first_token);
        let x = &x[first_token * cols..(first_token + n) * cols];
        let tiles = Tiled::new(n, L::TOKENS);
        side_by_side(x, cols, tiles, &mut room.tokens);
        // As many more as are added up together.
        room.sums.resize(ROWS * n + N_LANES, Line::zeroed());
        let (start, row_bytes) = rows.stored();
        let mut row = 0;
        while row < n_rows {
            let here = row..n_rows.min(row + ROWS);
            // The rows that follow are asked for while these are multiplied: from one end to the other, since memory
            // answers fastest to whoever reads it in order.
            let next = start.wrapping_add(here.end * row_bytes);
            let line_of = |lane: usize| ROWS * row_bytes * lane / n_lanes.max(1) / LINE;
            let mut lane = 0;
            while lane < n_lanes {
                let lanes = lane..n_lanes.min(lane + WIDTH);
                rows.widen::<L>(here.clone(), lanes.clone(), &mut wide);
                let tokens = &room.tokens[lane * n..lanes.end * n];
                let asked = line_of(lane);
                let part = WideRows {
                    rows: &wide[..lanes.len()],
                    tokens,
                    tiles,
                    begins: lane == 0,
                    next: next.wrapping_add(LINE * asked),
                    n_lines: line_of(lanes.end) - asked,
                };
                L::multiply(part, &mut room.sums);
                lane = lanes.end;
            }
            if n_lanes == 0 {
                room.sums.fill(Line::zeroed());
            }
            let out = &mut out[here.start * n_all..here.end * n_all];
            if n_lanes * N_LANES < cols {
                add_rest::<L>(rows, here.clone(), x, tiles, &mut room.sums);
            }
            L::add_up(&room.sums, tiles, first_token, n_all, out);
            row = here.end;
        }
        first_token += n;
    }
    ROOM.set(room);
}

/// Tokens in tiles of about the same number.
#[derive(Clone, Copy)]
pub(super) struct Tiled {
    n: usize,
    n_tiles: usize,
}

impl Tiled {
    fn new(n: usize, most: usize) -> Self {
        Self {
            n,
            n_tiles: n.div_ceil(most),
        }
    }

    /// The first token of a tile.
    #[inline(always)]
    fn first(self, tile: usize) -> usize {
        tile * self.n / self.n_tiles
    }

    #[inline(always)]
    fn tokens(self, tile: usize) -> Range<usize> {
        self.first(tile)..self.first(tile + 1)
    }
}

/// `[n, cols]` as `[columns / 512, tiles, lanes, tokens of a tile]`, each number in whole lanes; what stands over is left
/// out.
fn side_by_side(x: &[f32], cols: usize, tiles: Tiled, out: &mut Vec<Line>) {
    let n_lanes = cols / N_LANES;
    out.resize(n_lanes * tiles.n, Line::zeroed());
    for lane in (0..n_lanes).step_by(WIDTH) {
        let end = n_lanes.min(lane + WIDTH);
        for tile in 0..tiles.n_tiles {
            let tokens = tiles.tokens(tile);
            let n = tokens.len();
            let start = lane * tiles.n + (end - lane) * tokens.start;
            let out = &mut out[start..start + (end - lane) * n];
            for (j, t) in tokens.enumerate() {
                let x = &x[t * cols..(t + 1) * cols].as_chunks().0[lane..end];
                for (out, x) in out.chunks_exact_mut(n).zip(x) {
                    out[j] = Line(*x);
                }
            }
        }
    }
}

/// Adds products of the columns behind the last whole lanes.
#[inline(always)]
fn add_rest<L: Lanes>(
    rows: &impl Rows,
    here: Range<usize>,
    x: &[f32],
    tiles: Tiled,
    sums: &mut [Line],
) {
    let cols = rows.cols();
    for tile in 0..tiles.n_tiles {
        let tokens = tiles.tokens(tile);
        let n = tokens.len();
        for (r, row) in here.clone().enumerate() {
            for (j, t) in tokens.clone().enumerate() {
                let sum = &mut sums[ROWS * tokens.start + r * n + j].0;
                for col in cols / N_LANES * N_LANES..cols {
                    let sum = &mut sum[col % N_LANES];
                    *sum = L::add_one_product(*sum, rows.one(row, col), x[t * cols + col]);
                }
            }
        }
    }
}

/// Some columns of a few rows and all tokens.
#[derive(Clone, Copy)]
pub(super) struct WideRows<'a> {
    rows: &'a [[Line; ROWS]],
    /// `[tiles, lanes, tokens of a tile]`.
    tokens: &'a [Line],
    tiles: Tiled,
    /// Whether sums begin with these columns.
    begins: bool,
    /// What is read soon, and how many lines of the cache that is.
    next: *const u8,
    n_lines: usize,
}

/// Registers, and the loops over numbers already wide: compiled once for each kind, in functions of their own.
pub(super) trait Tiles: Lanes {
    /// Tokens of a tile at most.
    const TOKENS: usize;
    /// Adds products of rows with tokens to sums `[tiles, ROWS, tokens of a tile]`, or begins them.
    fn multiply(part: WideRows<'_>, sums: &mut [Line]);
    /// The sum of each, to the tokens from `first` on of rows `[rows, n]`.
    fn add_up(sums: &[Line], tiles: Tiled, first: usize, n: usize, out: &mut [f32]);
}

/// Some registers of x86, the instructions it needs, and how many rows and tokens are summed at a time.
#[cfg(target_arch = "x86_64")]
macro_rules! tiles {
    ($name:ident, $features:literal, $rows:literal, $tokens:literal) => {
        #[expect(unsafe_code, reason = "whoever has such registers detected them")]
        impl Tiles for $name {
            const TOKENS: usize = $tokens;

            fn multiply(part: WideRows<'_>, sums: &mut [Line]) {
                #[target_feature(enable = $features)]
                #[inline(never)]
                fn apart(part: WideRows<'_>, sums: &mut [Line]) {
                    multiply::<$name, $rows>(part, sums);
                }
                unsafe { apart(part, sums) }
            }

            fn add_up(sums: &[Line], tiles: Tiled, first: usize, n: usize, out: &mut [f32]) {
                #[target_feature(enable = $features)]
                #[inline(never)]
                fn apart(sums: &[Line], tiles: Tiled, first: usize, n: usize, out: &mut [f32]) {
                    add_up::<$name>(sums, tiles, first, n, out);
                }
                unsafe { apart(sums, tiles, first, n, out) }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
tiles!(Avx2, "avx2,fma,f16c,popcnt", 2, 3);
#[cfg(target_arch = "x86_64")]
tiles!(Avx512, "avx512f,avx2,fma,f16c,popcnt", 4, 6);

impl Tiles for Plain {
    const TOKENS: usize = 2;

    #[inline(never)]
    fn multiply(part: WideRows<'_>, sums: &mut [Line]) {
        multiply::<Self, 2>(part, sums);
    }

    #[inline(never)]
    fn add_up(sums: &[Line], tiles: Tiled, first: usize, n: usize, out: &mut [f32]) {
        add_up::<Self>(sums, tiles, first, n, out);
    }
}

#[inline(always)]
fn add_up<L: Lanes>(sums: &[Line], tiles: Tiled, first: usize, n_all: usize, out: &mut [f32]) {
    let n_rows = out.len() / n_all;
    let sums: &[[f32; N_LANES]] = bytemuck::cast_slice(sums);
    for tile in 0..tiles.n_tiles {
        let tokens = tiles.tokens(tile);
        let sums = &sums[ROWS * tokens.start..];
        let (mut row, mut j) = (0, 0);
        for i in (0..n_rows * tokens.len()).step_by(N_LANES) {
            let Some(some) = sums[i..].first_chunk() else {
                return;
            };
            for sum in L::trees(some) {
                if row < n_rows {
                    out[row * n_all + first + tokens.start + j] = sum;
                }
                j += 1;
                if j == tokens.len() {
                    (row, j) = (row + 1, 0);
                }
            }
        }
    }
}

/// All rows with all tokens, R rows at a time.
#[inline(always)]
fn multiply<L: Lanes, const R: usize>(part: WideRows<'_>, sums: &mut [Line]) {
    let WideRows {
        rows,
        tokens,
        tiles,
        begins,
        mut next,
        n_lines,
    } = part;
    // Spread evenly over all that is done meanwhile.
    let n_steps = tiles.n_tiles * (ROWS / R) * rows.len();
    let lines = n_lines.div_ceil(n_steps.max(1));
    for i in 0..tiles.n_tiles {
        let here = tiles.tokens(i);
        let x = &tokens[rows.len() * here.start..rows.len() * here.end];
        let sums = &mut sums[ROWS * here.start..ROWS * here.end];
        let mut r = 0;
        while r < ROWS {
            let of = TileOf {
                rows,
                r,
                tokens: x,
                begins,
                next,
                lines,
            };
            match here.len() {
                1 => tile::<L, R, 1>(of, sums),
                2 => tile::<L, R, 2>(of, sums),
                3 => tile::<L, R, 3>(of, sums),
                4 => tile::<L, R, 4>(of, sums),
                5 => tile::<L, R, 5>(of, sums),
                _ => tile::<L, R, 6>(of, sums),
            }
            next = next.wrapping_add(LINE * lines * rows.len());
            r += R;
        }
    }
}

/// What a tile is made of.
#[derive(Clone, Copy)]
struct TileOf<'a> {
    rows: &'a [[Line; ROWS]],
    /// The first of its rows.
    r: usize,
    /// `[lanes, tokens of the tile]`.
    tokens: &'a [Line],
    begins: bool,
    /// What is asked for, and how many lines a step.
    next: *const u8,
    lines: usize,
}

/// R rows with the N tokens of a tile.
#[inline(always)]
fn tile<L: Lanes, const R: usize, const N: usize>(of: TileOf<'_>, all: &mut [Line]) {
    let TileOf { r, mut next, .. } = of;
    let (all, _) = all[r * N..].as_chunks_mut::<N>();
    let (tokens, _) = of.tokens.as_chunks::<N>();
    let mut sums = [[L::zero(); N]; R];
    if !of.begins {
        for i in 0..R {
            for j in 0..N {
                sums[i][j] = L::f32(&all[i][j].0);
            }
        }
    }
    for (rows, tokens) in of.rows.iter().zip(tokens) {
        for _ in 0..of.lines {
            L::prefetch(next);
            next = next.wrapping_add(LINE);
        }
        let mut x = [L::zero(); N];
        for j in 0..N {
            x[j] = L::f32(&tokens[j].0);
        }
        for i in 0..R {
            let row = L::f32(&rows[r + i].0);
            for j in 0..N {
                sums[i][j] = sums[i][j].add_product(row, x[j]);
            }
        }
    }
    for i in 0..R {
        for j in 0..N {
            all[i][j].0 = sums[i][j].to_array();
        }
    }
}
