/* SPDX-License-Identifier: Apache-2.0 */
/* Ctrl-C during a long call. Python's handler only makes a note, which it looks at when the call is over; so that this
 * is soon, the call's cancel token is fired as well. Only on the main thread, and only while Python's own handler
 * (which raises KeyboardInterrupt) is in place: a handler of the host's is left to do what it does. */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

typedef struct mm_interrupt {
  int active;
} mm_interrupt;

static minimoe_cancel_token *mm_interrupt_own;             /* fired at most once, then replaced */
static _Atomic(minimoe_cancel_token *) mm_interrupt_token; /* of the call that is running, or NULL */
static atomic_int mm_interrupt_fired;
static atomic_int mm_interrupt_handlers; /* threads that are inside the handler */
static struct sigaction mm_interrupt_previous;

static void mm_on_interrupt(int number, siginfo_t *info, void *context) {
  const int saved = errno;
  minimoe_cancel_token *token;
  atomic_fetch_add(&mm_interrupt_handlers, 1);
  token = atomic_load(&mm_interrupt_token);
  if (token) {
    atomic_store(&mm_interrupt_fired, 1);
    minimoe_cancel_token_fire(token, NULL);
  }
  if (mm_interrupt_previous.sa_flags & SA_SIGINFO) {
    mm_interrupt_previous.sa_sigaction(number, info, context);
  } else if (mm_interrupt_previous.sa_handler != SIG_DFL && mm_interrupt_previous.sa_handler != SIG_IGN) {
    mm_interrupt_previous.sa_handler(number);
  }
  atomic_fetch_sub(&mm_interrupt_handlers, 1);
  errno = saved;
}

static int mm_on_main_thread(void) {
#ifdef __linux__
  return (long)getpid() == syscall(SYS_gettid);
#else
  return 0;
#endif
}

/* Whether SIGINT raises KeyboardInterrupt, by Python's own handler. */
static int mm_interrupt_is_pythons(void) {
  static PyObject *getsignal, *standard;
  PyObject *handler;
  int same;
  if (!getsignal) {
    PyObject *module = PyImport_ImportModule("_signal");
    if (module) {
      getsignal = PyObject_GetAttrString(module, "getsignal");
      standard = PyObject_GetAttrString(module, "default_int_handler");
      Py_DECREF(module);
    }
    if (!getsignal || !standard) {
      PyErr_Clear();
      return 0;
    }
  }
  handler = PyObject_CallFunction(getsignal, "i", SIGINT);
  if (!handler) PyErr_Clear();
  same = handler == standard;
  Py_XDECREF(handler);
  return same;
}

/* The token to call with: the caller's, or ours when there is none and Ctrl-C would raise. */
static minimoe_cancel_token *mm_interrupt_begin(mm_interrupt *guard, minimoe_cancel_token *token) {
  struct sigaction action;
  guard->active = 0;
  if (atomic_load(&mm_interrupt_token) || !mm_on_main_thread() || !mm_interrupt_is_pythons()) return token;
  if (!token) {
    int32_t fired = 1;
    if (mm_interrupt_own) minimoe_cancel_token_fired(mm_interrupt_own, &fired, NULL);
    if (fired) {
      minimoe_cancel_token_free(mm_interrupt_own);
      mm_interrupt_own = NULL;
      if (minimoe_cancel_token_create(&mm_interrupt_own, NULL) != MINIMOE_OK) return NULL;
    }
    token = mm_interrupt_own;
  }
  memset(&action, 0, sizeof action);
  action.sa_sigaction = mm_on_interrupt;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, NULL, &mm_interrupt_previous);
  atomic_store(&mm_interrupt_fired, 0);
  atomic_store(&mm_interrupt_token, token);
  sigaction(SIGINT, &action, NULL);
  guard->active = 1;
  return token;
}

/* @return whether Ctrl-C came. May be called again. */
static int mm_interrupt_end(mm_interrupt *guard) {
  if (!guard->active) return 0;
  guard->active = 0;
  sigaction(SIGINT, &mm_interrupt_previous, NULL);
  atomic_store(&mm_interrupt_token, (minimoe_cancel_token *)NULL);
  while (atomic_load(&mm_interrupt_handlers) > 0) { /* another thread is about to leave it */
  }
  return atomic_load(&mm_interrupt_fired);
}
