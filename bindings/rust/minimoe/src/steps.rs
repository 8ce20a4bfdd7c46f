// SPDX-License-Identifier: Apache-2.0
//! Training as a loop.
use std::fmt;
use std::iter::FusedIterator;

use crate::{CancelToken, HoldsModel, Model, Result, Step, Trainer};

/// The steps of [`Trainer::steps`]: each is trained when it is asked for. After an error there are no more.
pub struct Steps<'t, M: HoldsModel = Model> {
    trainer: &'t mut Trainer<M>,
    left: u64,
    cancel: Option<CancelToken>,
}

impl<'t, M: HoldsModel> Steps<'t, M> {
    pub(crate) fn new(trainer: &'t mut Trainer<M>, max_steps: u64) -> Self {
        Self { trainer, left: max_steps, cancel: None }
    }

    /// Ends with [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled) once `token` is fired, also in the middle of a step.
    ///
    /// ```
    /// # use minimoe::{CancelToken, Dataset, ErrorKind, Model, Trainer};
    /// # let dataset = Dataset::from_tokens(r#"{"vocab_size": 8}"#, &[1, 2, 3, 4, 5, 6, 7, 0].repeat(64))?;
    /// # let config = dataset.fit_config(r#"{"model": {"d_model": 16, "num_heads": 2}, "train": {"seq_len": 8}}"#)?;
    /// # let mut trainer = Trainer::new(Model::new(&config)?, &dataset, &config)?;
    /// let token = CancelToken::new()?;
    /// for step in trainer.steps(100).cancelled_by(&token) {
    ///     match step {
    ///         Ok(step) if step.step == 2 => token.fire(),
    ///         Ok(_) => {}
    ///         Err(error) => assert_eq!(error.kind(), ErrorKind::Cancelled),
    ///     }
    /// }
    /// assert_eq!(trainer.step()?, 2);
    /// # Ok::<(), minimoe::Error>(())
    /// ```
    pub fn cancelled_by(mut self, token: &CancelToken) -> Self {
        self.cancel = Some(token.clone());
        self
    }

    /// The trainer between two steps.
    pub fn trainer(&self) -> &Trainer<M> {
        self.trainer
    }
}

impl<M: HoldsModel> Iterator for Steps<'_, M> {
    type Item = Result<Step>;

    fn next(&mut self) -> Option<Result<Step>> {
        if self.left == 0 {
            return None;
        }
        let step = self.trainer.next_step(self.cancel.as_ref()).transpose();
        self.left = if matches!(step, Some(Ok(_))) { self.left - 1 } else { 0 };
        step
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, usize::try_from(self.left).ok())
    }
}

impl<M: HoldsModel> FusedIterator for Steps<'_, M> {}

impl<M: HoldsModel> fmt::Debug for Steps<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Steps").field("left", &self.left).finish_non_exhaustive()
    }
}
