// Stored rows times a few rows of activations, where reading the weight takes the time. The kernel declares
// `params` with `row_units`, `n_rows`, `n_tokens` and `groups_x`; `x_at(t, token, quad)`, a quad of a row of
// activations, the t-th of the workgroup; and `put(token, row, value)`.

// Lanes that share 4 rows, a power of two.
override TEAM: u32 = 256u;
// Tokens of a workgroup, 4 at most.
override TOKENS: u32 = 1u;

// Each team takes 4 rows and all tokens of the workgroup: a unit is read once.
fn products(lane: Lane, group: vec3<u32>) {
    let place = place_of(lane);
    let member = place % TEAM;
    let first = ((group.y * params.groups_x + group.x) * (256u / TEAM) + place / TEAM) * 4u;
    // Lanes without rows or tokens of their own repeat the last ones.
    let rows = min(vec4<u32>(first, first + 1u, first + 2u, first + 3u), vec4<u32>(params.n_rows - 1u));
    let starts = rows * params.row_units;
    let first_token = group.z * TOKENS;
    var sums: array<vec4<f32>, 4>;
    for (var u = member; u < params.row_units; u += TEAM) {
        let a = unit(starts.x + u);
        let b = unit(starts.y + u);
        let c = unit(starts.z + u);
        let d = unit(starts.w + u);
        for (var p = 0u; p < UNIT_PARTS; p++) {
            var parts: array<vec4<f32>, 4>;
            var x_sums: array<f32, 4>;
            for (var q = p * PART_QUADS; q < (p + 1u) * PART_QUADS; q++) {
                let a_quad = levels(a, q);
                let b_quad = levels(b, q);
                let c_quad = levels(c, q);
                let d_quad = levels(d, q);
                for (var t = 0u; t < TOKENS; t++) {
                    let token = min(first_token + t, params.n_tokens - 1u);
                    let it = x_at(t, token, u * UNIT_QUADS + q);
                    parts[t] = vec4<f32>(
                        dot_add(parts[t].x, a_quad, it),
                        dot_add(parts[t].y, b_quad, it),
                        dot_add(parts[t].z, c_quad, it),
                        dot_add(parts[t].w, d_quad, it),
                    );
                    if HAS_MINIMUM {
                        x_sums[t] = sum_add(x_sums[t], it);
                    }
                }
            }
            let scales = vec4<f32>(scale_of(a, p), scale_of(b, p), scale_of(c, p), scale_of(d, p));
            let minima = vec4<f32>(minimum_of(a, p), minimum_of(b, p), minimum_of(c, p), minimum_of(d, p));
            for (var t = 0u; t < TOKENS; t++) {
                sums[t] += parts[t] * LEVEL_SCALE * scales;
                if HAS_MINIMUM {
                    sums[t] += x_sums[t] * minima;
                }
            }
        }
    }
    for (var t = 0u; t < TOKENS; t++) {
        let sum = sum_team(sums[t], TEAM, lane);
        if member == 0u {
            for (var r = 0u; r < 4u; r++) {
                put(first_token + t, first + r, sum[r]);
            }
        }
    }
}
