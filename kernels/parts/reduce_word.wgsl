// The word that whole numbers of a workgroup are summed in, subgroups or not: of them the order does not matter.

var<workgroup> reduce_word: atomic<u32>;

// All 256 must call.
fn clear_word(lane: Lane) {
    workgroupBarrier();
    if lane.index == 0u {
        atomicStore(&reduce_word, 0u);
    }
    workgroupBarrier();
}

