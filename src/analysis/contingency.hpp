// SPDX-License-Identifier: Apache-2.0
// Counts of pairs, and the information that one of a pair has about the other.
#pragma once

#include <cstdint>
#include <vector>

namespace minimoe {

/// Adds in ascending order: the same bits however the terms are numbered. Reorders `terms`.
double sum_in_order(std::vector<double>& terms);

/// Entropy in nats of counts / sum(counts), the same bits in any order of the counts. Reorders `counts`.
double count_entropy(std::vector<std::int64_t>& counts);

class Contingency {
 public:
  Contingency(std::size_t num_rows, std::size_t num_columns)
      : num_columns_(num_columns), rows_(num_rows), columns_(num_columns), cells_(num_rows * num_columns) {}

  void clear();
  void add(std::size_t row, std::size_t column, std::int64_t count = 1) {
    rows_[row] += count;
    columns_[column] += count;
    cells_[row * num_columns_ + column] += count;
  }
  std::int64_t cell(std::size_t row, std::size_t column) const { return cells_[row * num_columns_ + column]; }
  const std::vector<std::int64_t>& rows() const { return rows_; }
  const std::vector<std::int64_t>& columns() const { return columns_; }

  double row_entropy() const { return entropy(rows_); }
  double column_entropy() const { return entropy(columns_); }
  /// I = H(row) + H(column) - H(row, column), plug-in, at least 0.
  double mutual_information() const;
  /// I / ((H(row) + H(column)) / 2); 0 when either entropy is 0.
  double normalised_mutual_information() const;

 private:
  double entropy(const std::vector<std::int64_t>& counts) const;

  std::size_t num_columns_;
  std::vector<std::int64_t> rows_, columns_, cells_;
  mutable std::vector<std::int64_t> sorted_;
};

}  // namespace minimoe
