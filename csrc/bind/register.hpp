#pragma once

#include <pybind11/pybind11.h>

namespace dnafast::bind {

void register_runtime(pybind11::module_& m);
void register_genome(pybind11::module_& m);
void register_encoding(pybind11::module_& m);
void register_labelling(pybind11::module_& m);
void register_negatives(pybind11::module_& m);
void register_shuffling(pybind11::module_& m);
void register_loader(pybind11::module_& m);

}  // namespace dnafast::bind
