// What belongs to no one topic: how the core's errors look in Python.

#include <exception>
#include <stdexcept>
#include <string>
#include <system_error>

#include "bind/register.hpp"
#include "core/cpu.hpp"
#include "core/error.hpp"

namespace dnafast::bind {

namespace py = pybind11;

namespace {

// Messages quote names from files, which may be in any encoding.
py::str message(const std::exception& error) {
  const std::string text = error.what();
  return py::reinterpret_steal<py::str>(
      PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "backslashreplace"));
}

}  // namespace

void register_runtime(py::module_& m) {
  static py::handle format_error = PyErr_NewExceptionWithDoc(
      "dnafast._core.FormatError", "A file that is not what it should be.", PyExc_ValueError, nullptr);
  m.attr("FormatError") = format_error;
  // Of this module alone: pybind11 would hand all of them what torch throws too, where both have one version of it.
  py::register_local_exception_translator([](std::exception_ptr pointer) {
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const FormatError& error) {
      PyErr_SetObject(format_error.ptr(), message(error).ptr());
    } catch (const std::invalid_argument& error) {
      PyErr_SetObject(PyExc_ValueError, message(error).ptr());
    } catch (const std::system_error& error) {
      // OSError makes the subclass of the number, FileNotFoundError among them.
      const py::tuple arguments = py::make_tuple(error.code().value(), message(error));
      PyErr_SetObject(PyExc_OSError, arguments.ptr());
    }
  });
  m.def(
      "instruction_set", [] { return std::string(name(instruction_set())); },
      "Name of the instruction set in use: the best there is, or the one that DNAFAST_ISA names.");
}

}  // namespace dnafast::bind
