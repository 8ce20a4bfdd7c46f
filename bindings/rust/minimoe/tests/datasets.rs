// SPDX-License-Identifier: Apache-2.0
//! Tokens in memory: copied, borrowed, released.
mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use minimoe::{Dataset, ErrorKind, Trainer};
use support::{config, dataset, model, tokens, MEMORY, SEQ_LEN};

const CLASSES: &str = r#"{"vocab_size": 16, "val_fraction": 0.25, "class_names": ["even", "odd"]}"#;

/// Tokens that count how often they were dropped, and may panic then.
struct Counted {
    tokens: Vec<i32>,
    drops: Arc<AtomicUsize>,
    panics: bool,
}

impl AsRef<[i32]> for Counted {
    fn as_ref(&self) -> &[i32] {
        &self.tokens
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::SeqCst);
        assert!(!self.panics, "a panic in a destructor that the library calls");
    }
}

fn counted(panics: bool) -> (Counted, Arc<AtomicUsize>) {
    let drops = Arc::default();
    (Counted { tokens: tokens(512), drops: Arc::clone(&drops), panics }, drops)
}

#[test]
fn i32_and_u16_copied_and_owned_are_the_same_dataset() {
    let narrow: Vec<u16> = tokens(512).iter().map(|&token| token as u16).collect();
    let expected = dataset().window("val", 0, 3, SEQ_LEN).unwrap();
    let appended = Dataset::new(MEMORY).unwrap();
    appended.append(&narrow[..100]).unwrap();
    appended.append(&narrow[100..]).unwrap();
    for dataset in [
        Dataset::from_tokens(MEMORY, &narrow).unwrap(),
        Dataset::from_owner(MEMORY, tokens(512)).unwrap(),
        Dataset::from_owner(MEMORY, narrow.clone().into_boxed_slice()).unwrap(),
        Dataset::from_owner(MEMORY, Arc::<[u16]>::from(narrow.as_slice())).unwrap(),
        Dataset::from_owner(MEMORY, <[i32; 512]>::try_from(tokens(512)).unwrap()).unwrap(),
        appended,
    ] {
        assert_eq!(dataset.window("val", 0, 3, SEQ_LEN).unwrap(), expected);
        assert_eq!(dataset.num_windows("val", SEQ_LEN).unwrap(), 128 / (SEQ_LEN as u64 + 1));
    }
}

#[test]
fn classes_come_with_their_windows() {
    let classes: Vec<u8> = tokens(512).iter().map(|token| (token % 2) as u8).collect();
    let copied = Dataset::new(CLASSES).unwrap();
    copied.append_with_classes(&tokens(512), &classes).unwrap();
    let owned = Dataset::from_owner_with_classes(CLASSES, tokens(512), classes).unwrap();
    for dataset in [copied, owned] {
        let window = dataset.window("train", 7, 2, SEQ_LEN).unwrap();
        assert_eq!(window.tokens.len(), SEQ_LEN + 1);
        let expected: Vec<u8> = window.tokens.iter().map(|token| (token % 2) as u8).collect();
        assert_eq!(window.classes, expected);
    }
}

#[test]
fn the_owner_is_dropped_once_with_the_last_use() {
    let (owner, drops) = counted(false);
    let dataset = Dataset::from_owner(MEMORY, owner).unwrap();
    let clone = dataset.clone();
    let mut trainer = Trainer::new(model(), &dataset, config()).unwrap();
    drop((dataset, clone));
    trainer.run(1, None).into_result().unwrap();
    assert_eq!(drops.load(Ordering::SeqCst), 0);
    std::thread::spawn(move || drop(trainer)).join().unwrap();
    assert_eq!(drops.load(Ordering::SeqCst), 1);
}

#[test]
fn the_owner_is_dropped_once_when_the_call_fails() {
    let (owner, drops) = counted(false);
    let error = Dataset::from_owner(r#"{"vocab_size": 3}"#, owner).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(drops.load(Ordering::SeqCst), 1);
}

#[test]
fn a_panic_in_the_owners_destructor_does_not_reach_the_library() {
    let (owner, drops) = counted(true);
    drop(Dataset::from_owner(MEMORY, owner).unwrap());
    assert_eq!(drops.load(Ordering::SeqCst), 1);
}

#[test]
fn clones_are_one_dataset() {
    let dataset = Dataset::new(MEMORY).unwrap();
    dataset.clone().append(&tokens(64)).unwrap();
    assert_eq!(
        dataset.num_windows("val", 4).unwrap(),
        Dataset::from_tokens(MEMORY, &tokens(64)).unwrap().num_windows("val", 4).unwrap()
    );
    assert!(dataset.num_windows("val", 4).unwrap() > 0);
}

#[test]
fn a_dataset_in_memory_reads_and_writes_decimal_ids() {
    let dataset = dataset();
    assert_eq!(dataset.encode("1 8  11").unwrap(), [1, 8, 11]);
    assert_eq!(dataset.decode(&[1, 8, 11]).unwrap(), "1 8 11");
    assert!(dataset.encode("").unwrap().is_empty());
}
