#include "agent/volume/disk_index.h"

#include <utility>

namespace devrun::volume {

namespace {
constexpr size_t kCellsMin = 1024;
}

const DiskIndex::Cell* DiskIndex::find(uint64_t hash) const {
  if (cells_.empty()) return nullptr;
  for (size_t at = home(hash); cells_[at].hash != 0; at = wrap(at + 1)) {
    if (cells_[at].hash == hash) return &cells_[at];
  }
  return nullptr;
}

DiskIndex::Cell* DiskIndex::find(uint64_t hash) {
  return const_cast<Cell*>(std::as_const(*this).find(hash));
}

void DiskIndex::put(const Cell& cell) {
  if (Cell* known = find(cell.hash)) {
    *known = cell;
    return;
  }
  if ((count_ + 1) * 4 > cells_.size() * 3) grow();
  size_t at = home(cell.hash);
  while (cells_[at].hash != 0) at = wrap(at + 1);
  cells_[at] = cell;
  count_ += 1;
}

void DiskIndex::erase(uint64_t hash) {
  Cell* found = find(hash);
  if (found == nullptr) return;
  count_ -= 1;
  // Those behind it move up, if the free cell lies between them and their home.
  auto hole = static_cast<size_t>(found - cells_.data());
  for (size_t at = wrap(hole + 1); cells_[at].hash != 0; at = wrap(at + 1)) {
    const size_t distance = wrap(at - home(cells_[at].hash));
    if (distance < wrap(at - hole)) continue;
    cells_[hole] = cells_[at];
    hole = at;
  }
  cells_[hole] = Cell{};
}

void DiskIndex::grow() {
  std::vector<Cell> old =
      std::exchange(cells_, std::vector<Cell>(std::max(kCellsMin, cells_.size() * 2)));
  for (const Cell& cell : old) {
    if (cell.hash == 0) continue;
    size_t at = home(cell.hash);
    while (cells_[at].hash != 0) at = wrap(at + 1);
    cells_[at] = cell;
  }
}

}  // namespace devrun::volume
