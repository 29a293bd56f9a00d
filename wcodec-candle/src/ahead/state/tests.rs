use super::*;
use candle_core::Device;

/// Three layers of two tensors, `a` (template 0) and `b` (template 1), 10 elements each; then a head.
fn candidates() -> Vec<Candidate> {
    let layer = |template| Candidate {
        template,
        in_layer: true,
        num_elems: 10,
        raw_bytes: 20,
    };
    let head = Candidate {
        template: 2,
        in_layer: false,
        num_elems: 10,
        raw_bytes: 20,
    };
    [0, 1, 0, 1, 0, 1]
        .map(layer)
        .into_iter()
        .chain([head])
        .collect()
}

fn tensor() -> Option<Tensor> {
    Some(Tensor::zeros(10, DType::F32, &Device::Cpu).unwrap())
}

/// Runs jobs until none is left, and says which ones ran.
fn drain(state: &mut State, budget: u64) -> Vec<usize> {
    let candidates = candidates();
    let mut ran = Vec::new();
    while let Some(job) = state.start(&candidates, budget) {
        assert!(state.is_in_progress(job.index, DType::F32));
        assert!(state.settle(&candidates, job, tensor()).is_none());
        ran.push(job.index);
    }
    ran
}

#[test]
fn only_what_is_like_something_asked_for_and_only_once() {
    let (candidates, mut state) = (candidates(), State::new(7, 3));
    assert!(drain(&mut state, 1000).is_empty());
    state.ask(&candidates, 6, DType::F32);
    assert!(
        drain(&mut state, 1000).is_empty(),
        "a head has no layers behind it"
    );
    state.ask(&candidates, 3, DType::F32);
    assert_eq!(drain(&mut state, 1000), [5, 1]);
    state.ask(&candidates, 0, DType::F32);
    assert_eq!(drain(&mut state, 1000), [2, 4]);
    assert!(state.take(2).is_some() && state.take(2).is_none());
}

#[test]
fn the_budget_bounds_what_lies_ready() {
    let (candidates, mut state) = (candidates(), State::new(7, 3));
    state.ask(&candidates, 0, DType::F32);
    assert!(drain(&mut state, 39).is_empty(), "larger than the budget");
    state.ask(&candidates, 1, DType::F32);
    assert_eq!(drain(&mut state, 100), [2, 3]);
    state.ask(&candidates, 2, DType::F32);
    assert!(state.take(2).is_some());
    assert_eq!(drain(&mut state, 100), [4]);
    assert_eq!(state.reset().len(), 2);
    assert_eq!(state.ready_bytes, 0);
}

#[test]
fn what_is_in_progress_is_within_the_budget_and_starts_once() {
    let (candidates, mut state) = (candidates(), State::new(7, 3));
    state.ask(&candidates, 0, DType::F32);
    state.ask(&candidates, 1, DType::F32);
    let jobs = [(); 2].map(|()| state.start(&candidates, 100).unwrap());
    assert_eq!(jobs.map(|job| job.index), [2, 3]);
    assert!(
        state.start(&candidates, 100).is_none(),
        "two of 40 bytes are under way"
    );
    assert_eq!(state.start(&candidates, 120).unwrap().index, 4);
    assert_eq!(state.num_in_progress(), 3);
    assert!(state.settle(&candidates, jobs[1], tensor()).is_none());
    assert!(state.is_in_progress(2, DType::F32) && !state.is_in_progress(3, DType::F32));
}

#[test]
fn what_is_asked_for_goes_first() {
    let (candidates, mut state) = (candidates(), State::new(7, 3));
    state.ask(&candidates, 0, DType::F32);
    state.demands = 1;
    assert!(drain(&mut state, 100).is_empty());
    state.demands = 0;
    assert_eq!(drain(&mut state, 100), [2, 4]);
}

#[test]
fn what_nobody_would_take_does_not_stay() {
    let (candidates, mut state) = (candidates(), State::new(7, 3));
    state.ask(&candidates, 0, DType::F32);
    let job = state.start(&candidates, 100).unwrap();
    state.ask(&candidates, 2, DType::F16);
    assert!(!state.is_in_progress(2, DType::F16));
    assert!(
        state.settle(&candidates, job, tensor()).is_some(),
        "another dtype is asked for now"
    );
    let job = state.start(&candidates, 100).unwrap();
    state.enabled = false;
    assert!(
        state.settle(&candidates, job, tensor()).is_some(),
        "decoding ahead has ended"
    );
}

#[test]
fn what_fails_is_left_to_get() {
    let (candidates, mut state) = (candidates(), State::new(7, 3));
    state.ask(&candidates, 0, DType::F32);
    let job = state.start(&candidates, 100).unwrap();
    assert!(state.settle(&candidates, job, None).is_none());
    assert_eq!(drain(&mut state, 100), [4]);
}

#[test]
fn each_tensor_counts_once() {
    let (candidates, mut state) = (candidates(), State::new(7, 3));
    assert_eq!(
        state.count(&candidates, 0),
        Some(Counts {
            tensors: 1,
            bytes: 20
        })
    );
    assert_eq!(state.count(&candidates, 0), None);
    assert_eq!(
        state.count(&candidates, 6),
        Some(Counts {
            tensors: 2,
            bytes: 40
        })
    );
}
