// SPDX-License-Identifier: Apache-2.0
#include "analysis/contingency.hpp"

#include <algorithm>
#include <cmath>

namespace minimoe {

double sum_in_order(std::vector<double>& terms) {
  std::sort(terms.begin(), terms.end());
  double sum = 0;
  for (const double term : terms) sum += term;
  return sum;
}

double count_entropy(std::vector<std::int64_t>& counts) {
  std::sort(counts.begin(), counts.end());
  std::int64_t total = 0;
  double sum = 0;
  for (const std::int64_t count : counts) {
    if (count == 0) continue;
    total += count;
    sum += static_cast<double>(count) * std::log(static_cast<double>(count));
  }
  if (total == 0 || counts.back() == total) return 0;
  return std::max(0.0, std::log(static_cast<double>(total)) - sum / static_cast<double>(total));
}

void Contingency::clear() {
  for (auto* counts : {&rows_, &columns_, &cells_}) std::fill(counts->begin(), counts->end(), 0);
}

double Contingency::entropy(const std::vector<std::int64_t>& counts) const {
  sorted_ = counts;
  return count_entropy(sorted_);
}

double Contingency::mutual_information() const {
  return std::max(0.0, row_entropy() + column_entropy() - entropy(cells_));
}

double Contingency::normalised_mutual_information() const {
  const double rows = row_entropy(), columns = column_entropy();
  return rows == 0 || columns == 0 ? 0 : std::max(0.0, rows + columns - entropy(cells_)) / ((rows + columns) / 2);
}

}  // namespace minimoe
