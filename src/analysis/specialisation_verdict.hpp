// SPDX-License-Identifier: Apache-2.0
// From the measured association and its controls to a conclusion, by a written rule.
#pragma once

#include "minimoe/analysis/specialisation.hpp"

namespace minimoe {

/// Sets `conclusion` and `text` from the figures.
///
/// 1. Nothing to see: the NMI is not above every shuffle (p > 0.01, or its interval reaches the largest one) or below
///    0.01, and word form explains less than a tenth of the choice: kNone.
/// 2. Class: the NMI's interval lies above random routers (mean + 2 std), and either it also lies above the
///    within-word shuffles, with a fifth of the association lost in them or a twentieth of the choice explained by
///    class beyond the word; or word form tells the class (class_given_word below 0.02), so that shuffling within words
///    can take nothing away, and the interval lies above random tables: kClass.
/// 3. Word form explains half of the choice: kWordForm.
/// 4. The NMI's interval reaches random routers: kRandomLike.
/// 5. What association there is comes with the word form: kWordForm.
/// @param frequencies whether the classes are buckets of frequency
void judge_specialisation(LayerSpecialisation& layer, bool frequencies);

}  // namespace minimoe
