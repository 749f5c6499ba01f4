// Where a position of a block of the cache lies. The kernel's `params` have `base_first`, `base_n` and `base_at`.

struct CachedRow {
    row: u32,
    in_base: bool,  // in rows of another cache, not in its own
}

// `place`: the position, counted from the block's first.
fn cached_row(place: u32) -> CachedRow {
    // Below the base this is no small number.
    let inside = place - params.base_first;
    if inside < params.base_n {
        return CachedRow(params.base_at + inside, true);
    }
    return CachedRow(select(place, place - params.base_n, place >= params.base_first), false);
}
