// dnafast._core: the data path's native half. Each topic registers itself in the file of its name.

#include <pybind11/pybind11.h>

#include "bind/register.hpp"

PYBIND11_MODULE(_core, m) {
  m.doc() = "Native half of dnafast's data path.";
  m.attr("__version__") = DNAFAST_VERSION;
  dnafast::bind::register_runtime(m);
  dnafast::bind::register_genome(m);
  dnafast::bind::register_encoding(m);
  dnafast::bind::register_labelling(m);
  dnafast::bind::register_negatives(m);
  dnafast::bind::register_shuffling(m);
  dnafast::bind::register_loader(m);
}
