//! Views of weights, checked on a few numbers.

use super::*;

#[test]
fn a_matrix_stored_the_other_way_round_is_read_where_it_lies() {
    // [2 inputs, 6 outputs], outputs of two matrices interleaved.
    let words: Vec<u32> = (0..12).map(|it| (it as f32).to_bits()).collect();
    let blob = Blob::Memory(Arc::new(words));
    let stored = WeightView::new(&blob, 0, Dtype::F32, 2, 6).unwrap();
    let transposed = stored.transposed().unwrap();
    assert_eq!(transposed.shape(), (6, 2));
    let whole: Vec<f32> = (0..6u8)
        .flat_map(|it| [it, it + 6])
        .map(f32::from)
        .collect();
    assert_eq!(transposed.to_f32(), whole);
    assert_eq!(transposed.in_rows().to_f32(), whole);
    assert_eq!(transposed.in_rows().bytes().len(), transposed.n_bytes());
    let odd = transposed.every((1, 2)).unwrap();
    assert_eq!(odd.to_f32(), [1.0, 7.0, 3.0, 9.0, 5.0, 11.0]);
    let last = odd.rows(1..3).unwrap();
    assert_eq!(last.in_rows().to_f32(), [3.0, 9.0, 5.0, 11.0]);
    assert_eq!((last.n_bytes(), last.layout().n_bytes()), (16, 16));
    let mut row = [0.0; 2];
    last.widen_row(1, &mut row);
    assert_eq!(row.map(f32::to_bits), [5.0f32, 11.0].map(f32::to_bits));
    assert!(transposed.transposed().is_none() && last.bytes().is_empty());
}

#[test]
fn numbers_stand_for_what_the_reading_says_however_they_are_widened() {
    let words = [0.5f32, -1.0].map(f32::to_bits).to_vec();
    let blob = Blob::Memory(Arc::new(words));
    let stored = WeightView::new(&blob, 0, Dtype::F32, 1, 2).unwrap();
    for (reading, want) in [
        (Reading::AsStored, [0.5, -1.0]),
        (Reading::LessOne, [1.5, 0.0]),
        (Reading::LogOfDecay, [-0.5f32.exp(), -(-1f32).exp()]),
    ] {
        let view = stored.clone().read_as(reading);
        let mut row = [0.0; 2];
        view.widen_row(0, &mut row);
        let bits = |all: &[f32]| all.iter().map(|it| it.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&row), bits(&want));
        assert_eq!(bits(&view.to_f32()), bits(&want));
        let cut = view.cut(&Cut {
            rows: 0..1,
            cols: 1..2,
        });
        let cut = cut.unwrap().aligned().in_rows();
        assert_eq!(bits(&cut.to_f32()), bits(&want[1..]));
    }
}
