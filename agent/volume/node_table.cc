#include "agent/volume/node_table.h"

namespace devrun::volume {

namespace {
constexpr size_t kCellsMin = 1024;

size_t first_cell(uint32_t hash, size_t cells) {
  return (hash * size_t{0x9e3779b97f4a7c15}) >> 20 & (cells - 1);
}

uint32_t shortened(uint64_t hash) {
  return static_cast<uint32_t>(hash >> 32);
}
}  // namespace

NodeId NodeTable::intern(uint64_t hash, const Node& fresh,
                         const std::function<bool(const Node&)>& same) {
  make_room();
  const uint32_t short_hash = shortened(hash);
  size_t i = first_cell(short_hash, cells_.size());
  for (; cells_[i].node != 0; i = (i + 1) & (cells_.size() - 1)) {
    const uint32_t index = cells_[i].node - 1;
    if (cells_[i].hash == short_hash && same(records_.node(index))) return id_of(index);
  }
  if (!records_.add_node(fresh)) return 0;
  cells_[i] = {short_hash, static_cast<uint32_t>(count())};
  used_ += 1;
  return id_of(static_cast<uint32_t>(count() - 1));
}

void NodeTable::recover(uint32_t index, uint64_t hash) {
  make_room();
  const uint32_t short_hash = shortened(hash);
  size_t i = first_cell(short_hash, cells_.size());
  while (cells_[i].node != 0) i = (i + 1) & (cells_.size() - 1);
  cells_[i] = {short_hash, index + 1};
  used_ += 1;
}

void NodeTable::make_room() {
  if ((used_ + 1) * 4 > cells_.size() * 3) grow();
}

void NodeTable::grow() {
  std::vector<Cell> old = std::move(cells_);
  cells_.assign(old.empty() ? kCellsMin : old.size() * 2, Cell{});
  for (const Cell& cell : old) {
    if (cell.node == 0) continue;
    size_t i = first_cell(cell.hash, cells_.size());
    while (cells_[i].node != 0) i = (i + 1) & (cells_.size() - 1);
    cells_[i] = cell;
  }
}

}  // namespace devrun::volume
