/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file minimoe.h
 * The C interface of libminimoe: the whole stable ABI. Plain C99, valid in later C and in C++11 and later.
 *
 * Status and errors. Every fallible function returns a minimoe_status and takes, as its last parameter, a
 * `minimoe_error *err` of the caller's, which may be NULL. On failure *err holds the code and a message that says
 * where, what came and what is allowed; on success it is left alone. Outputs are untouched on failure, with two
 * exceptions: a `*_needed` together with MINIMOE_E_BUFFER_TOO_SMALL, and minimoe_trainer_steps, which always reports
 * the completed steps. The library never prints, aborts, exits or throws, and keeps nothing per thread or per process.
 *
 * Handles. `_create`, `_open` and `_load` give a new handle in `*out`, which the caller owns and ends with `_free`
 * (NULL is fine). A handle is checked for its kind: NULL, or one of another kind, is MINIMOE_E_INVALID_ARGUMENT; a
 * freed one is undefined. `_retain` adds an owner; each owner calls `_free` once. Children keep their parents alive (a
 * trainer its model and its dataset, a cache its layer), so handles may be freed in any order. Freeing a handle that
 * another thread is using is deferred to the end of that call.
 *
 * Threads. Distinct handles are independent. A handle has a reader/writer lock that is only ever tried: calls that read
 * run side by side, a call that writes runs alone, and a call that cannot have its side returns MINIMOE_E_BUSY at once.
 * The manifest (capi/functions.json, docs/reference.md) has the class of each function. `_retain`, `_free` and the
 * cancel token's functions are legal from any thread at any time. The number of threads affects speed only, never a
 * bit of a result.
 *
 * fork. In a forked child, handles that were idle go on working (with a new thread pool of their own); one that was
 * inside a call is MINIMOE_E_FORKED for everything but `_free`.
 *
 * Buffers. Inputs are a pointer and a count, borrowed for the call; NULL, or anything, is legal with a count of 0.
 * Outputs are a pointer, a capacity in elements and `needed`, which receives the number of elements that there are.
 * When the capacity is less, nothing is written and the result is MINIMOE_E_BUFFER_TOO_SMALL, so a call with capacity 0
 * asks for the size. A `needed` pointer may be NULL. Texts are UTF-8; a text output counts its final NUL, the length of
 * a text input (json_len, text_len) does not: strlen, not what `needed` said. Float arrays are contiguous, row-major,
 * and aligned as their type asks. A parameter that ends in _size is that of one struct, sizeof(minimoe_step_metrics),
 * not of an array of them; more than 4096 is MINIMOE_E_INVALID_ARGUMENT.
 *
 * Configurations are JSON: larger than 1 MiB, deeper than 32, a duplicate or unknown key, a wrong type or a value out
 * of range is MINIMOE_E_INVALID_ARGUMENT, with the path of the key and what is allowed, before anything is allocated
 * for it. A run configuration has three parts, each of which may be left out, as may every key:
 *
 *     {"model": {"d_model": 64, "moe": {"layers": [1], "num_experts": 4, "top_k": 2}},
 *      "train": {"steps": 2000, "batch_size": 16, "seq_len": 64},
 *      "data": {"corpus": "book.txt"}}
 *
 * minimoe_config_keys and the program's `minimoe config --keys` list every key with its default and meaning. Blocks are
 * counted from 0; without moe.layers there is no MoE layer.
 *
 * Structs that begin with struct_size grow at their end only. The caller states the size that it was compiled with.
 */
#ifndef MINIMOE_H_
#define MINIMOE_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Marks what the library exports. */
#if defined(__GNUC__)
#define MINIMOE_API __attribute__((visibility("default")))
#else
#define MINIMOE_API
#endif

/** Version of this header: major * 1000000 + minor * 1000 + patch. */
#define MINIMOE_VERSION_NUMBER 1000

/** @name Status codes
 * What a minimoe_status can be. New codes may be added; treat an unknown one as MINIMOE_E_INTERNAL.
 * @{ */
#define MINIMOE_OK 0                 /**< success */
#define MINIMOE_E_INVALID_ARGUMENT 1 /**< a value of the caller's is outside what is allowed */
#define MINIMOE_E_OUT_OF_MEMORY 2    /**< an allocation failed, or a thread could not be started */
#define MINIMOE_E_IO 3               /**< the operating system refused a file operation */
#define MINIMOE_E_CORRUPT_FILE 4     /**< a file's content is not what its format promises */
#define MINIMOE_E_NON_FINITE 5       /**< a loss, gradient or logit is NaN or infinite */
#define MINIMOE_E_UNSUPPORTED 6      /**< valid, but this build, machine or handle cannot do it */
#define MINIMOE_E_INTERNAL 7         /**< a bug of the library */
#define MINIMOE_E_SHAPE 8            /**< a count or shape does not fit the others, or the handle */
#define MINIMOE_E_BUFFER_TOO_SMALL 9 /**< `needed` says how many elements there are */
#define MINIMOE_E_BUSY 10            /**< another call is using the handle, or the model already has a trainer */
#define MINIMOE_E_CANCELLED 11       /**< the cancel token was fired */
#define MINIMOE_E_FORKED 12          /**< the handle was inside a call when the process was forked */
#define MINIMOE_E_VERSION 13         /**< header and library, or a struct and the library, do not fit together */
/** @} */

/** One of the MINIMOE_OK and MINIMOE_E_ codes. */
typedef int32_t minimoe_status;

/** What went wrong. Allocated by the caller, never changed in layout. */
typedef struct minimoe_error {
  int32_t code;       /**< the status that the call returned */
  int32_t reserved;   /**< 0 */
  char message[1024]; /**< UTF-8, NUL-terminated, shortened in its middle when too long */
} minimoe_error;

/** @name Handles
 * @{ */
typedef struct minimoe_cancel_token minimoe_cancel_token; /**< Stops calls that were given it. */
typedef struct minimoe_dataset minimoe_dataset;           /**< Tokens to train on and to evaluate with. */
typedef struct minimoe_model minimoe_model;               /**< A language model. */
typedef struct minimoe_moe_layer minimoe_moe_layer;       /**< A bare MoE layer. */
typedef struct minimoe_moe_cache minimoe_moe_cache;       /**< What a layer's forward leaves for its backward. */
typedef struct minimoe_trainer minimoe_trainer;           /**< Trains a model on a dataset. */
typedef struct minimoe_token_stream minimoe_token_stream; /**< A continuation that is pulled, token by token. */
/** @} */

/* ------------------------------------------------------------------------------------------- version and build -- */

/** Version of the library that is running, as MINIMOE_VERSION_NUMBER. Never fails. */
MINIMOE_API int32_t minimoe_version_number(void);

/** The same as text, "0.1.0". Owned by the library, valid while it is loaded. Never fails. */
MINIMOE_API const char *minimoe_version_string(void);

/** Whether a program compiled against `header_version` (pass MINIMOE_VERSION_NUMBER) can use the running library: the
 * same major version, the same minor version while the major version is 0, and a library not older than the header.
 * @return MINIMOE_E_VERSION with both versions otherwise. */
MINIMOE_API minimoe_status minimoe_check_version(int32_t header_version, minimoe_error *err);

/** Name of a status code, "MINIMOE_E_BUSY"; "MINIMOE_E_?" for an unknown one. Owned by the library. Never fails. */
MINIMOE_API const char *minimoe_status_name(int32_t code);

/** How the library was built and what this CPU offers, as JSON: {"version", "compiler", "build_type",
 * "matmul_backends": [..], "cpu", "num_cores", "instruction_sets": [best first]}. */
MINIMOE_API minimoe_status minimoe_build_info(char *buf, size_t buf_cap, size_t *buf_needed, minimoe_error *err);

/* ------------------------------------------------------------------------------------------------------- options -- */

/** @name Instruction sets of minimoe_options
 * @{ */
#define MINIMOE_INSTRUCTIONS_AUTO 0   /**< the best that this CPU has */
#define MINIMOE_INSTRUCTIONS_SCALAR 1 /**< portable code */
#define MINIMOE_INSTRUCTIONS_SSE4 2   /**< SSE4.2 */
#define MINIMOE_INSTRUCTIONS_AVX2 3   /**< AVX2 and FMA */
#define MINIMOE_INSTRUCTIONS_AVX512 4 /**< AVX-512 */
/** @} */

/** @name Matrix-product backends of minimoe_options
 * @{ */
#define MINIMOE_MATMUL_NATIVE 0 /**< the library's own; the same bits for any number of threads */
#define MINIMOE_MATMUL_BLAS 1   /**< only in a build with MINIMOE_WITH_BLAS */
/** @} */

/** @name Levels of the log
 * @{ */
#define MINIMOE_LOG_WARNING 1 /**< something that is probably not wanted */
#define MINIMOE_LOG_INFO 2    /**< a handle was made, a file read or written */
#define MINIMOE_LOG_TRACE 3   /**< every micro-batch of training */
/** @} */

/** Gives `size` bytes aligned to `alignment` (a power of two, at most 64), or NULL. Called only by a thread that is
 * inside a call on a handle made with it, or on a trainer or cache of such a handle. Several threads may be in it at
 * once: calls that read run side by side, and `_free` runs beside any call. Must not call the library. */
typedef void *(*minimoe_allocate_fn)(void *user_data, size_t size, size_t alignment);

/** Takes back what minimoe_allocate_fn gave, with the same size and alignment. Also called by `_free`; several threads
 * may be in it at once. */
typedef void (*minimoe_deallocate_fn)(void *user_data, void *memory, size_t size, size_t alignment);

/** Receives a line without a line feed; `message` is valid during the call. Must not call the handle it tells of, nor
 * throw. A line for which there is no memory is left out. */
typedef void (*minimoe_log_fn)(void *user_data, int32_t level, const char *message);

/** Called once, by the `_free` that ends the last use of the borrowed data. */
typedef void (*minimoe_release_fn)(void *user_data);

/** How a handle computes, where its memory comes from and whom it tells. 0 is the default of every field. Set up by
 * minimoe_options_init. A NULL options pointer means all defaults. */
typedef struct minimoe_options {
  uint32_t struct_size;             /**< sizeof(minimoe_options) of the caller */
  int32_t num_threads;              /**< 0: one per available core; else 1..256. Affects speed only */
  int32_t instruction_set;          /**< MINIMOE_INSTRUCTIONS_ */
  int32_t matmul_backend;           /**< MINIMOE_MATMUL_ */
  minimoe_allocate_fn allocate;     /**< for tensors, activations, file buffers; NULL (both): the C++ heap */
  minimoe_deallocate_fn deallocate; /**< set exactly when allocate is */
  void *allocator_user_data;        /**< handed to both */
  minimoe_log_fn log;               /**< NULL: nobody is told */
  void *log_user_data;              /**< handed to log */
  int32_t log_level;                /**< most detailed level wanted; 0: MINIMOE_LOG_INFO */
  int32_t reserved;                 /**< 0 */
} minimoe_options;

/** Zeroes `options_size` bytes and sets struct_size. @param options_size sizeof(minimoe_options) of the caller. */
MINIMOE_API minimoe_status minimoe_options_init(minimoe_options *options, size_t options_size, minimoe_error *err);

/* -------------------------------------------------------------------------------------------------- configuration --
 */

/** A preset as a whole configuration: "lab" (2 blocks, block 1 an MoE layer with E = 4, K = 2; trains in a minute) or
 * "lab-dense" (the same with dense blocks). */
MINIMOE_API minimoe_status minimoe_config_preset(const char *name, char *buf, size_t buf_cap, size_t *buf_needed,
                                                 minimoe_error *err);

/** Checks {"model": {..}, "train": {..}, "data": {..}} and fills in every default. An empty text is {}. Every bad key
 * is named in one message. */
MINIMOE_API minimoe_status minimoe_config_resolve(const char *json, size_t json_len, char *buf, size_t buf_cap,
                                                  size_t *buf_needed, minimoe_error *err);

/** Every key: [{"key": "model.moe.top_k", "type", "default": the value's JSON as a text, "meaning"}]. */
MINIMOE_API minimoe_status minimoe_config_keys(char *buf, size_t buf_cap, size_t *buf_needed, minimoe_error *err);

/** {"total_parameters", "active_parameters", "train_flops_per_token"}; model.vocab_size must not be 0. */
MINIMOE_API minimoe_status minimoe_config_cost(const char *json, size_t json_len, char *buf, size_t buf_cap,
                                               size_t *buf_needed, minimoe_error *err);

/** Bytes that a model and its trainer take: {"parameters", "gradients", "moments", "activations", "workspace",
 * "total"}; exact for what goes through the allocator. model.vocab_size must not be 0. */
MINIMOE_API minimoe_status minimoe_config_estimate_memory(const char *json, size_t json_len,
                                                          const minimoe_options *options, char *buf, size_t buf_cap,
                                                          size_t *buf_needed, minimoe_error *err);

/* --------------------------------------------------------------------------------------------------------- cancel --
 */

/** A token that stops calls which were given it. It may be fired from any thread or a signal handler, outlives what it
 * stops, and stays fired. */
MINIMOE_API minimoe_status minimoe_cancel_token_create(minimoe_cancel_token **out, minimoe_error *err);
/** Adds an owner. */
MINIMOE_API minimoe_status minimoe_cancel_token_retain(minimoe_cancel_token *token, minimoe_error *err);
/** Ends an ownership. NULL is fine. */
MINIMOE_API void minimoe_cancel_token_free(minimoe_cancel_token *token);
/** Fires. Safe inside a signal handler. */
MINIMOE_API minimoe_status minimoe_cancel_token_fire(minimoe_cancel_token *token, minimoe_error *err);
/** Sets *fired to 1 or 0. */
MINIMOE_API minimoe_status minimoe_cancel_token_fired(const minimoe_cancel_token *token, int32_t *fired,
                                                      minimoe_error *err);

/* -------------------------------------------------------------------------------------------------------- dataset --
 */
/* A split is "train", "val", "held-out-verbs" or "held-out-combinations"; the latter two exist in the grammar corpus.
 */

/** Opens what the "data" part of a configuration names: the embedded grammar corpus, or a file (UTF-8 text, CoNLL-U,
 * nanoGPT .bin), as in {"data": {"corpus": "book.txt"}}. The other parts are checked and not used. Token ids are the
 * bytes of a text file (256 of them), words of the grammar corpus and of CoNLL-U, the numbers of a .bin file. Files of
 * models do not hold the words: encode and decode with the dataset that the model was trained on. */
MINIMOE_API minimoe_status minimoe_dataset_open(const char *json, size_t json_len, const minimoe_options *options,
                                                minimoe_dataset **out, minimoe_error *err);

/** An empty dataset in memory. `json`: {"vocab_size" (required, 1..2^31-1), "val_fraction": 0.1 (0..0.5, of the tokens,
 * at the end), "name": "memory", "class_names": [] (at most 256)}. */
MINIMOE_API minimoe_status minimoe_dataset_create(const char *json, size_t json_len, const minimoe_options *options,
                                                  minimoe_dataset **out, minimoe_error *err);

/** Appends tokens to a dataset of minimoe_dataset_create. Every token must be in 0..vocab_size-1. Training windows are
 * drawn from all tokens, so one of the same seed and index may be another afterwards.
 * @param classes each token's class (an index into class_names), exactly when the dataset has class names. */
MINIMOE_API minimoe_status minimoe_dataset_append_i32(minimoe_dataset *dataset, const int32_t *tokens,
                                                      size_t num_tokens, const uint8_t *classes, size_t num_classes,
                                                      minimoe_error *err);
/** As minimoe_dataset_append_i32. */
MINIMOE_API minimoe_status minimoe_dataset_append_u16(minimoe_dataset *dataset, const uint16_t *tokens,
                                                      size_t num_tokens, const uint8_t *classes, size_t num_classes,
                                                      minimoe_error *err);

/** A dataset over the caller's arrays, without a copy: they must stay unchanged until `release` (may be NULL) is called
 * with `user_data`. On failure `release` is not called. `json` as minimoe_dataset_create. */
MINIMOE_API minimoe_status minimoe_dataset_borrow_i32(const char *json, size_t json_len, const int32_t *tokens,
                                                      size_t num_tokens, const uint8_t *classes, size_t num_classes,
                                                      minimoe_release_fn release, void *user_data,
                                                      minimoe_dataset **out, minimoe_error *err);
/** As minimoe_dataset_borrow_i32. */
MINIMOE_API minimoe_status minimoe_dataset_borrow_u16(const char *json, size_t json_len, const uint16_t *tokens,
                                                      size_t num_tokens, const uint8_t *classes, size_t num_classes,
                                                      minimoe_release_fn release, void *user_data,
                                                      minimoe_dataset **out, minimoe_error *err);

/** Adds an owner. */
MINIMOE_API minimoe_status minimoe_dataset_retain(minimoe_dataset *dataset, minimoe_error *err);
/** Ends an ownership. NULL is fine. */
MINIMOE_API void minimoe_dataset_free(minimoe_dataset *dataset);

/** {"name", "sha256", "vocab_size", "class_names": [..], "memory_bytes", "splits": [..]}; sha256 is "" for a dataset in
 * memory, splits are those with evaluation windows of some length. */
MINIMOE_API minimoe_status minimoe_dataset_info(const minimoe_dataset *dataset, char *buf, size_t buf_cap,
                                                size_t *buf_needed, minimoe_error *err);

/** The resolved configuration with model.vocab_size set to that of the dataset where it was 0. Fails when token ids
 * would not fit the model, or when the dataset has no training window of train.seq_len. */
MINIMOE_API minimoe_status minimoe_dataset_fit_config(const minimoe_dataset *dataset, const char *json, size_t json_len,
                                                      char *buf, size_t buf_cap, size_t *buf_needed,
                                                      minimoe_error *err);

/** Tokens of a text in the dataset's own alphabet. A dataset in memory reads decimal ids between white space. */
MINIMOE_API minimoe_status minimoe_dataset_encode(const minimoe_dataset *dataset, const char *text, size_t text_len,
                                                  int32_t *ids, size_t ids_cap, size_t *ids_needed, minimoe_error *err);

/** Text of tokens, for people; the inverse of encode up to white space. Bytes that are not UTF-8, and NUL, become
 * U+FFFD. */
MINIMOE_API minimoe_status minimoe_dataset_decode(const minimoe_dataset *dataset, const int32_t *tokens,
                                                  size_t num_tokens, char *buf, size_t buf_cap, size_t *buf_needed,
                                                  minimoe_error *err);

/** How many evaluation windows of seq_len + 1 tokens a split has; 0 for "train", whose windows have no end, and for a
 * split that does not exist here. */
MINIMOE_API minimoe_status minimoe_dataset_num_windows(const minimoe_dataset *dataset, const char *split,
                                                       size_t seq_len, uint64_t *num_windows, minimoe_error *err);

/** The seq_len + 1 tokens (inputs and, shifted by one, targets) of window `index`, and their classes (none when the
 * dataset has no class names). When either capacity is too small, both counts are set.
 * @param seed chooses the stream of "train"; other splits ignore it @param seq_len 1..2^20. */
MINIMOE_API minimoe_status minimoe_dataset_window(const minimoe_dataset *dataset, const char *split, uint64_t seed,
                                                  uint64_t index, size_t seq_len, int32_t *ids, size_t ids_cap,
                                                  size_t *ids_needed, uint8_t *labels, size_t labels_cap,
                                                  size_t *labels_needed, minimoe_error *err);

/** A sentence of the grammar corpus: {"tokens": [..], "classes": [..], "kind"}. MINIMOE_E_UNSUPPORTED for a dataset
 * that is not made of sentences. @param seed as minimoe_dataset_window. */
MINIMOE_API minimoe_status minimoe_dataset_sentence(const minimoe_dataset *dataset, const char *split, uint64_t seed,
                                                    uint64_t index, char *buf, size_t buf_cap, size_t *buf_needed,
                                                    minimoe_error *err);

/** The mean loss, in nats a token, that no model can expect to go below on the first `num_windows` windows (0: all; of
 * "train", whose windows have no end, 1 or more, and at most 2^22 tokens). MINIMOE_E_UNSUPPORTED where the true
 * distribution is not known. */
MINIMOE_API minimoe_status minimoe_dataset_entropy_floor(const minimoe_dataset *dataset, const char *split,
                                                         size_t seq_len, uint64_t num_windows, double *entropy_floor,
                                                         minimoe_error *err);

/* ---------------------------------------------------------------------------------------------------------- model --
 */

/** A read-only view of a parameter, without a copy. `values` stays valid as long as the model or layer is retained
 * (and, for a layer, the binding unchanged); the values change when it is trained, loaded or set, and `generation` with
 * them. */
typedef struct minimoe_tensor_view {
  uint32_t struct_size; /**< bytes that the library filled in */
  int32_t num_dims;     /**< 0..4 */
  int64_t shape[4];     /**< 0 past num_dims */
  const float *values;  /**< row-major */
  uint64_t num_values;  /**< product of the shape */
  uint64_t generation;  /**< that of the handle when the view was taken */
} minimoe_tensor_view;

/** A model with the start values of train.seed. @param json a run configuration; model.vocab_size must not be 0 (see
 * minimoe_dataset_fit_config). */
MINIMOE_API minimoe_status minimoe_model_create(const char *json, size_t json_len, const minimoe_options *options,
                                                minimoe_model **out, minimoe_error *err);
/** A model from a file of minimoe_model_save or minimoe_trainer_save. MINIMOE_E_CORRUPT_FILE, before anything is
 * allocated for it, when the file cannot hold the model that it names. */
MINIMOE_API minimoe_status minimoe_model_load(const char *path, const minimoe_options *options, minimoe_model **out,
                                              minimoe_error *err);
/** Adds an owner. */
MINIMOE_API minimoe_status minimoe_model_retain(minimoe_model *model, minimoe_error *err);
/** Ends an ownership. NULL is fine. */
MINIMOE_API void minimoe_model_free(minimoe_model *model);

/** The resolved configuration, whole. */
MINIMOE_API minimoe_status minimoe_model_config(const minimoe_model *model, char *buf, size_t buf_cap,
                                                size_t *buf_needed, minimoe_error *err);
/** {"num_threads", "instruction_set", "matmul_backend", "total_parameters", "active_parameters", "moe_blocks": [..]}.
 */
MINIMOE_API minimoe_status minimoe_model_info(const minimoe_model *model, char *buf, size_t buf_cap, size_t *buf_needed,
                                              minimoe_error *err);

/** Logits of every position. @param tokens [B * seq_len], at most 2^24 @param valid [B * seq_len], 0 marks padding (on
 * the right of a sequence); count 0: none @param values receives [B * seq_len, V]. */
MINIMOE_API minimoe_status minimoe_model_forward(const minimoe_model *model, const int32_t *tokens, size_t num_tokens,
                                                 const uint8_t *valid, size_t num_valid, size_t seq_len, float *values,
                                                 size_t values_cap, size_t *values_needed, minimoe_error *err);

/** Continues a prompt of at least one token; of a text longer than model.max_seq_len, the last that many tokens are
 * looked at. minimoe_dataset_encode makes a prompt, minimoe_dataset_decode a text of the answer. @param json
 * {"max_new_tokens": 64, "temperature": 1 (0: greedy), "top_k": 0 (all), "top_p": 1 (all), "seed": 0, "stop_token": -1
 * (none; else it ends the text and is included), "when_full": "slide", "pack_weights": true or false (not given: true
 * from 64 new tokens on, where that takes at most 1 GiB)}. Logits are divided by the temperature, then all
 * but the top_k likeliest tokens are dropped, then the tokens than which at least top_p of the remaining probability is
 * likelier (the likeliest always stays); of equal logits the lower id is the likelier. "when_full" is what happens at
 * model.max_seq_len: "slide", the context is the last that many tokens and is computed anew for each token, or "stop",
 * the text ends with token max_seq_len + 1, and a longer prompt than max_seq_len is refused. With "pack_weights" there
 * is, as long as a call or a stream uses it, one more copy of the model's weights, in the order in which a token reads
 * them: a token of a model larger than the caches takes a quarter less time and has the same bits. @param cancel NULL, or
 * looked at before each token @param ids receives the new tokens; its capacity must be max_new_tokens. */
MINIMOE_API minimoe_status minimoe_model_generate(const minimoe_model *model, const int32_t *tokens, size_t num_tokens,
                                                  const char *json, size_t json_len, minimoe_cancel_token *cancel,
                                                  int32_t *ids, size_t ids_cap, size_t *ids_needed, minimoe_error *err);

/** How many of a split's questions (at most `max_count`) greedy decoding answers exactly: [{"kind", "correct", "asked",
 * "skipped"}], skipped being those longer than the context. When the buffer is too small, `needed` is what surely
 * suffices, and nothing was computed. @param cancel NULL, or looked at between questions. */
MINIMOE_API minimoe_status minimoe_model_answer_probes(const minimoe_model *model, const minimoe_dataset *dataset,
                                                       const char *split, size_t max_count,
                                                       minimoe_cancel_token *cancel, char *buf, size_t buf_cap,
                                                       size_t *buf_needed, minimoe_error *err);

/** The tokens of minimoe_model_generate, one at a time: the keys and values of the text so far are kept (a KV cache),
 * so that a token costs one token, and its logits are those of minimoe_model_forward for the whole text (while it
 * slides: of its last max_seq_len tokens), with the native backend bit for bit. Nothing is computed before the first
 * minimoe_token_stream_next. The model is kept alive; several streams may go on over one model side by side. @param
 * json as there, but that "when_full" is "stop" when it is not given. Where moe.eval_capacity_factor is not 0 the text
 * is computed anew for each token, because a capacity limit makes a token depend on those computed with it. */
MINIMOE_API minimoe_status minimoe_token_stream_create(minimoe_model *model, const int32_t *tokens, size_t num_tokens,
                                                       const char *json, size_t json_len, minimoe_token_stream **out,
                                                       minimoe_error *err);
/** Frees a stream. NULL is fine. A call in progress on another thread goes on to its end. */
MINIMOE_API void minimoe_token_stream_free(minimoe_token_stream *stream);
/** Computes and draws the next token. After an error but MINIMOE_E_UNSUPPORTED the stream is as before the call, but
 * that it has no logits when the computation failed. @param cancel NULL, or looked at before @param id the token, or -1
 * when the text has ended @return MINIMOE_E_UNSUPPORTED when values of the model's parameters have changed since the
 * stream was made, which no kept key is true for: make another one; MINIMOE_E_BUSY while a trainer is inside a step. */
MINIMOE_API minimoe_status minimoe_token_stream_next(minimoe_token_stream *stream, minimoe_cancel_token *cancel,
                                                     int32_t *id, minimoe_error *err);
/** The ids drawn so far, without the prompt: also one that an interrupt of the host language kept from its caller. */
MINIMOE_API minimoe_status minimoe_token_stream_tokens(const minimoe_token_stream *stream, int32_t *ids, size_t ids_cap,
                                                       size_t *ids_needed, minimoe_error *err);
/** The logits [vocab_size] that the last token was drawn from; none before the first and after a failed one. */
MINIMOE_API minimoe_status minimoe_token_stream_logits(const minimoe_token_stream *stream, float *values,
                                                       size_t values_cap, size_t *values_needed, minimoe_error *err);
/** {"num_tokens": of the prompt and drawn, "end": null, "max_new_tokens", "stop_token" or "max_seq_len",
 * "memory_bytes": of keys, values and activations that it holds, "packed_weights_bytes": of the copy that it shares with
 * the model's other streams, 0: none} */
MINIMOE_API minimoe_status minimoe_token_stream_info(const minimoe_token_stream *stream, char *buf, size_t buf_cap,
                                                     size_t *buf_needed, minimoe_error *err);

/** Number of parameters (tensors, buffers such as expert_bias included). */
MINIMOE_API minimoe_status minimoe_model_num_parameters(const minimoe_model *model, size_t *num_parameters,
                                                        minimoe_error *err);
/** {"name": "blocks.1.moe.router.weight", "shape": [..], "role": "weight" or "buffer", "decay": true or false} of
 * parameter `index`. */
MINIMOE_API minimoe_status minimoe_model_parameter_info(const minimoe_model *model, size_t index, char *buf,
                                                        size_t buf_cap, size_t *buf_needed, minimoe_error *err);
/** Copies a parameter out. */
MINIMOE_API minimoe_status minimoe_model_parameter_get(const minimoe_model *model, const char *name, float *values,
                                                       size_t values_cap, size_t *values_needed, minimoe_error *err);
/** Overwrites a parameter; every value must be finite. */
MINIMOE_API minimoe_status minimoe_model_parameter_set(minimoe_model *model, const char *name, const float *data,
                                                       size_t num_data, minimoe_error *err);
/** A view of a parameter. @param view_size sizeof(minimoe_tensor_view) of the caller. */
MINIMOE_API minimoe_status minimoe_model_parameter_view(const minimoe_model *model, const char *name,
                                                        minimoe_tensor_view *view, size_t view_size,
                                                        minimoe_error *err);
/** A number that grows whenever the values of parameters change: compare it with that of a view. */
MINIMOE_API minimoe_status minimoe_model_generation(const minimoe_model *model, uint64_t *generation,
                                                    minimoe_error *err);

/** Writes weights and configuration as safetensors; an earlier file is replaced only by a complete one. */
MINIMOE_API minimoe_status minimoe_model_save(const minimoe_model *model, const char *path, minimoe_error *err);
/** Reads the weights of a file into this model. The names and shapes must be the same: MINIMOE_E_SHAPE for the file of
 * another model, MINIMOE_E_CORRUPT_FILE for one that is damaged or cut off. The model is unchanged on failure, unless
 * the disk fails while being read. */
MINIMOE_API minimoe_status minimoe_model_load_weights(minimoe_model *model, const char *path, minimoe_error *err);

/* ------------------------------------------------------------------------------------------------------- exchange --
 */

/** A model from a directory of Hugging Face's transformers (config.json, model.safetensors or shards), or a GGUF file;
 * docs/exchange.md has the architectures. F64, F32, BF16 and F16 are read, as float32.
 * @return MINIMOE_E_UNSUPPORTED for a model that this library cannot compute, naming the fields; MINIMOE_E_SHAPE with
 * the missing, extra and misshapen tensors; MINIMOE_E_CORRUPT_FILE; nothing is allocated for the model before. */
MINIMOE_API minimoe_status minimoe_model_import(const char *path, const minimoe_options *options, minimoe_model **out,
                                                minimoe_error *err);
/** Writes a model, the same bytes for the same arguments. @param json {"format": "hf", "tokenizer": "", "check": false}
 * "hf": config.json and model.safetensors for Hugging Face's transformers in directory `path`, made when missing.
 * "gguf": file `path` for llama.cpp with the vocabulary of the byte-level BPE tokenizer.json that is named. Older files
 * of these names are replaced, each by a whole one. "check": writes nothing. @return MINIMOE_E_UNSUPPORTED when no
 * architecture holds the model without loss, naming the nearest and what it needs; nothing is written then. */
MINIMOE_API minimoe_status minimoe_model_export(const minimoe_model *model, const char *json, size_t json_len,
                                                const char *path, minimoe_error *err);
/** Writes what the model makes of given tokens as a safetensors file: "logits" [B, seq_len, V] and "loss" (mean cross
 * entropy of each next token; absent when seq_len is 1), as in evaluation. @param tokens [B * seq_len], at least one
 * @param json {"router": false ("router_logits.BLOCK", "chosen_experts.BLOCK", "gate_weights.BLOCK"), "gradients":
 * false
 * ("grad.NAME" of the loss, by the names on disk of minimoe_model_export where it can write the model, else by ours)}
 */
MINIMOE_API minimoe_status minimoe_model_write_logits(const minimoe_model *model, const int32_t *tokens,
                                                      size_t num_tokens, size_t seq_len, const char *json,
                                                      size_t json_len, const char *path, minimoe_error *err);
/** The dataset's alphabet as a tokenizer.json of Hugging Face's tokenizers, which gives the ids that
 * minimoe_dataset_encode gives. MINIMOE_E_UNSUPPORTED for a dataset of numbers without a text. */
MINIMOE_API minimoe_status minimoe_dataset_tokenizer(const minimoe_dataset *dataset, char *buf, size_t buf_cap,
                                                     size_t *buf_needed, minimoe_error *err);
/** Sparse upcycling: a new model whose MoE layers begin as copies of a dense model's feed-forward networks, behind a
 * fresh random router (arXiv:2212.05055). The weights of a token sum to 1, so its logits are the dense
 * model's, to rounding, until it is trained; the optimizer's moments begin at 0. The dense model stays as it is.
 * @param json {"num_experts": 8, "top_k": 2, "layers": [...] (blocks, ascending; absent or empty: all),
 * "gate_order": "softmax_topk_renorm" (or "topk_softmax", "sigmoid_topk_renorm"), "router_init_std": 0.02,
 * "seed": of the router; absent: train.seed of the model's configuration}
 * @return MINIMOE_E_INVALID_ARGUMENT for a model with MoE layers, fewer than 2 experts, top_k = 1 (one weight is not 1,
 * or never trains the router) or above num_experts, unknown blocks, weights that do not sum to 1. */
MINIMOE_API minimoe_status minimoe_model_upcycle(const minimoe_model *model, const char *json, size_t json_len,
                                                 const minimoe_options *options, minimoe_model **out,
                                                 minimoe_error *err);
/** What the routers of a directory of Hugging Face's transformers do with a dataset, without the model in memory: the
 * weights of one block at a time are read, as float32, and beside them there are the hidden states of all windows
 * (twice num_windows * seq_len * hidden_size floats) and the activations of one batch in one block. {"specialisation":
 * as minimoe_model_specialisation of the imported model, "health": as minimoe_health_check, of all windows as one
 * step}.
 *
 * When the buffer is too small, `needed` is what surely suffices, and nothing was computed. Errors as
 * minimoe_model_import and minimoe_model_specialisation.
 * @param json {"max_windows": 64 (0: all; of "train" 1 or more), "seq_len": 256 (at most max_position_embeddings),
 * "batch_size": 4 (windows), and the seed and draws of minimoe_model_specialisation} @param options threads, memory
 * @param cancel NULL, or looked at between batches and draws */
MINIMOE_API minimoe_status minimoe_hf_analyze(const minimoe_dataset *dataset, const char *path, const char *split,
                                              const char *json, size_t json_len, const minimoe_options *options,
                                              minimoe_cancel_token *cancel, char *buf, size_t buf_cap,
                                              size_t *buf_needed, minimoe_error *err);

/* -------------------------------------------------------------------------------------------------------- trainer --
 */

/** One optimizer step. */
typedef struct minimoe_step_metrics {
  uint32_t struct_size;     /**< bytes that the library filled in */
  uint32_t reserved;        /**< 0 */
  int64_t step;             /**< completed steps, this one included */
  double loss;              /**< main loss: mean cross entropy, nats */
  double aux_loss;          /**< Switch loss, mean over MoE layers, unscaled; 1 is even; 0 without MoE layers */
  double z_loss;            /**< router z-loss, mean over MoE layers, unscaled */
  double total_loss;        /**< loss + aux_loss_coef * aux_loss + z_loss_coef * z_loss */
  double learning_rate;     /**< of this step */
  double gradient_norm;     /**< before clipping */
  int64_t num_tokens;       /**< valid tokens of the step */
  int64_t num_extra_passes; /**< forward passes that only counted loads (aux_loss_scope "global_batch") */
} minimoe_step_metrics;

/** Of minimoe_trainer_evaluate. */
typedef struct minimoe_evaluation {
  uint32_t struct_size; /**< bytes that the library filled in */
  uint32_t reserved;    /**< 0 */
  double loss;          /**< mean cross entropy, nats */
  int64_t num_targets;  /**< tokens in the mean */
  int64_t num_windows;  /**< windows evaluated */
} minimoe_evaluation;

/** A trainer of `model` on `dataset`, both kept alive by it. A model has at most one trainer (MINIMOE_E_BUSY).
 * @param json a run configuration; its model part is left out or, defaults included, that of the model. Its data part
 * is checked and recorded in checkpoints; where tokens come from is `dataset`. */
MINIMOE_API minimoe_status minimoe_trainer_create(minimoe_model *model, minimoe_dataset *dataset, const char *json,
                                                  size_t json_len, minimoe_trainer **out, minimoe_error *err);
/** Frees a trainer. NULL is fine. Its model goes on with the weights that it has. */
MINIMOE_API void minimoe_trainer_free(minimoe_trainer *trainer);

/** The resolved configuration, whole. */
MINIMOE_API minimoe_status minimoe_trainer_config(const minimoe_trainer *trainer, char *buf, size_t buf_cap,
                                                  size_t *buf_needed, minimoe_error *err);
/** Completed optimizer steps. */
MINIMOE_API minimoe_status minimoe_trainer_step(const minimoe_trainer *trainer, int64_t *step, minimoe_error *err);

/** Trains for at most `max_steps` (0 or more) steps; fewer when the schedule ends (train.steps), which is success. To
 * train on from there, resume its checkpoint in a trainer with a larger train.steps. Meanwhile the model is written to:
 * other calls on it get MINIMOE_E_BUSY.
 *
 * Always reports the steps that were completed, whatever the result: *metrics_count of them, their metrics in
 * `metrics`. Afterwards the trainer is at a step boundary: after MINIMOE_E_CANCELLED, MINIMOE_E_NON_FINITE or
 * MINIMOE_E_OUT_OF_MEMORY the broken-off step left no trace, and training can go on or be saved.
 *
 * @param cancel NULL, or looked at between micro-batches; a fired one gives MINIMOE_E_CANCELLED
 * @param metrics array of metrics_cap structs that lie metrics_size bytes apart, or NULL
 * @param metrics_size sizeof(minimoe_step_metrics) of the caller: of one, not of the array
 * @param metrics_cap at least max_steps, unless metrics is NULL
 * @param metrics_count receives the number of completed steps; may be NULL */
MINIMOE_API minimoe_status minimoe_trainer_steps(minimoe_trainer *trainer, int64_t max_steps,
                                                 minimoe_cancel_token *cancel, minimoe_step_metrics *metrics,
                                                 size_t metrics_size, size_t metrics_cap, size_t *metrics_count,
                                                 minimoe_error *err);

/** Mean loss over the first `max_windows` (0: all) windows of a split, "val" say; trains nothing. The split must be
 * among the "splits" of minimoe_dataset_info. Its routing is MINIMOE_ROUTING_EVALUATION afterwards.
 * @param cancel NULL, or looked at between batches @param evaluation_size sizeof(minimoe_evaluation) of the caller */
MINIMOE_API minimoe_status minimoe_trainer_evaluate(minimoe_trainer *trainer, const char *split, uint64_t max_windows,
                                                    minimoe_cancel_token *cancel, minimoe_evaluation *evaluation,
                                                    size_t evaluation_size, minimoe_error *err);

/** @name What minimoe_trainer_routing tells of
 * @{ */
#define MINIMOE_ROUTING_STEP 0       /**< the last step */
#define MINIMOE_ROUTING_EVALUATION 1 /**< the last evaluation */
/** @} */

/** What the routers did, one entry an MoE layer: [{"block", "num_tokens", "load": [..E], "dropped": [..E],
 * "mean_probs": [..E], "gate_weight_share": [..E], "aux_loss", "z_loss", "router_logit_norm" (root of the mean over
 * tokens of the squared norm of the logits), "bias_min", "bias_max" (of expert_bias, after the step)}]; load counts
 * assignments before any capacity drop. Empty before the first step or evaluation. @param source MINIMOE_ROUTING_ */
MINIMOE_API minimoe_status minimoe_trainer_routing(const minimoe_trainer *trainer, int32_t source, char *buf,
                                                   size_t buf_cap, size_t *buf_needed, minimoe_error *err);

/** Loads of the experts of MoE layer `layer` (0 is the first): E counts, summed over the micro-batches. 0 before the
 * first step; MINIMOE_E_INVALID_ARGUMENT before the first evaluation. @param source MINIMOE_ROUTING_ */
MINIMOE_API minimoe_status minimoe_trainer_expert_loads(const minimoe_trainer *trainer, int32_t source, size_t layer,
                                                        int64_t *counts, size_t counts_cap, size_t *counts_needed,
                                                        minimoe_error *err);

/** Begins to add up where the time of steps goes, from nothing (`enabled` is not 0), or ends it (0, as at first). It
 * changes no result. */
MINIMOE_API minimoe_status minimoe_trainer_set_profile(minimoe_trainer *trainer, int32_t enabled, minimoe_error *err);
/** Where the time of the steps since then went: {"num_steps", "ms", "flops", "operations": [{"operation", "pass":
 * "forward", "backward" or "step" (neither), "ms", "calls", "flops"}]}, means over the steps. Wall time of the calling
 * thread, each moment counted once: "ms" is the sum over the operations, "rest" included. "flops" are those of matrix
 * products, 2 a multiply-add. docs/performance.md has the operations. MINIMOE_E_INVALID_ARGUMENT while it is off. */
MINIMOE_API minimoe_status minimoe_trainer_profile(const minimoe_trainer *trainer, char *buf, size_t buf_cap,
                                                   size_t *buf_needed, minimoe_error *err);

/** Writes a checkpoint (weights, moments, biases, position) as safetensors; an earlier file is replaced only by a
 * complete one. */
MINIMOE_API minimoe_status minimoe_trainer_save(const minimoe_trainer *trainer, const char *path, minimoe_error *err);
/** Reads a checkpoint; training goes on bit for bit as if it had not stopped. Model, train.seed, batch_size, seq_len
 * and accumulation_steps must be those of the checkpoint; the other keys are the trainer's. MINIMOE_E_SHAPE when its
 * tensors are those of another model, MINIMOE_E_INVALID_ARGUMENT when only such keys differ, MINIMOE_E_CORRUPT_FILE
 * when it is damaged, cut off, or a file of minimoe_model_save, which has no moments. Trainer and model are unchanged
 * on failure, unless the disk fails while being read. */
MINIMOE_API minimoe_status minimoe_trainer_resume(minimoe_trainer *trainer, const char *path, minimoe_error *err);

/** {"step", "config": {..}} of a checkpoint or saved model (step 0). Reads the file's header only. */
MINIMOE_API minimoe_status minimoe_checkpoint_info(const char *path, char *buf, size_t buf_cap, size_t *buf_needed,
                                                   minimoe_error *err);

/* --------------------------------------------------------------------------------------------- routing laboratory --
 */

/** Named ways to break a router, each one setting away from a run that is well: [{"name": "headstart", "concept",
 * "claim" (what is commonly said to happen), "claims": ["collapsed", "sham", "not-healthy", "share-above-80-percent",
 * "main-loss-fine" or "worse-than-dense"], "change": {"key", "healthy", "broken"}, "fix": [{"key", "broken",
 * "fixed"}], "healthy": {..}, "broken": {..}, "fixed": {..} (whole configurations; the broken run goes on with "fixed"
 * from its own weights, with an expert_bias of 0 unless that balances by bias), "hidden_cause", "hint_1", "hint_2",
 * "hint_3", "fix_diff"}]. model.vocab_size is 0 in them (see minimoe_dataset_fit_config). */
MINIMOE_API minimoe_status minimoe_config_breaks(char *buf, size_t buf_cap, size_t *buf_needed, minimoe_error *err);

/** What a break showed, from the finished runs of each seed: which signal told and from when on, what is commonly said
 * held against the figures, and how the broken weights fared under the fix. It is what breaks.json of `minimoe break`
 * has for a break: {"name", "concept", "claim", "claims": [{"claim", "holds", "decided": false where the runs are
 * shorter than the break's own, so that they neither agree nor disagree, "text"}], "change", "fix", "symptom": as
 * measured, in sentences, "hidden_cause", "hint_1", "hint_2", "hint_3", "fix_diff", "recovery", "seeds": [{"seed",
 * "signals": [{"signal": "main loss", "aux loss", "expert counts", "gate mass", "drop rate", "router gradient",
 * "health verdict" or "validation loss", "says_when": the rule, "first_step": last step of the first window in which
 * it held, or null, "at_the_end"}], "fixed_healthy_from", "fixed_even_from": steps, or null for never, "runs":
 * {"healthy", "broken", "dense", "fixed": each as minimoe_run_findings gives it}}]}. docs/collapse.md shows some.
 * @param json {"schema": "minimoe-break-runs/1", "break": "headstart" (a name of minimoe_config_breaks), "window": 50
 * (lines), "seeds": [{"seed": 36000, "runs": {"healthy": RUN, "broken": RUN, "dense": RUN, "fixed": RUN}}]}, at most
 * 1 GiB; RUN is what minimoe_run_findings reads, without "window". All but "dense" have MoE layers and a health
 * report; healthy and broken have the same steps. MINIMOE_E_INVALID_ARGUMENT with the path of what is missing, unknown,
 * there twice or of another kind. */
MINIMOE_API minimoe_status minimoe_break_findings(const char *json, size_t json_len, char *buf, size_t buf_cap,
                                                  size_t *buf_needed, minimoe_error *err);
/** What a finished run showed, window by window: {"val_loss", "verdict": of the health report, or null,
 * "verdict_windows": those of the layer that decided it, "windows": [{"first_step", "last_step", "loss": mean, null
 * when not finite; with MoE layers also, of the one whose counts are least even, "aux_loss": mean, "load": [E],
 * "mean_probs": [E], "effective_share": effective experts of the counts over E, "gate_mass_share": the same of
 * mean_probs, "largest_share", "largest_gate_mass", "max_violation", "num_cold", "num_dead", "drop_rate"}],
 * "interference": [{"step", "layers"}], "val_losses": [{"step", "loss"}]}. Windows are of `window` lines; what is left
 * at the end joins the last one.
 * @param json {"window": 50, "config": the resolved configuration, "lines": the lines of metrics.jsonl, of which are
 * read {"step", "loss" and "aux_loss" (null when not finite), "layers": [{"block", "load": [E], "dropped": [E],
 * "mean_probs": [E]}], optionally "interference": as minimoe_trainer_interference, and "val_loss"}, "health": as
 * minimoe_health_check, or null without MoE layers, "val_loss": nats a token}, at most 1 GiB. The last line is that of
 * step train.steps. */
MINIMOE_API minimoe_status minimoe_run_findings(const char *json, size_t json_len, char *buf, size_t buf_cap,
                                                size_t *buf_needed, minimoe_error *err);

/** How the balance loss pulls at each router, for the batch of the next step, by two forward and backward passes:
 * [{"block", "main_norm", "aux_norm", "scaled_ratio", "cosine"}], one entry an MoE layer. The norms are of the
 * gradients of the main loss and of the unscaled aux loss with respect to the router's weight and bias; scaled_ratio is
 * aux_loss_coef * aux_norm / main_norm; cosine is that between the two gradients. Either is null where a norm of 0
 * leaves it undefined. Nothing changes: the next step gives the same bits. When the buffer is too small, `needed` is
 * what surely suffices, and nothing was computed. @param cancel NULL, or looked at between micro-batches. */
MINIMOE_API minimoe_status minimoe_trainer_interference(minimoe_trainer *trainer, minimoe_cancel_token *cancel,
                                                        char *buf, size_t buf_cap, size_t *buf_needed,
                                                        minimoe_error *err);

/** Judges anyone's routers by their log. The rule, its words and its limits: docs/health.md.
 * @param log one JSON object a line: {"step", "layer", "top_k", "load": [E counts], "mean_probs": [E], "num_dropped",
 * "num_steps"}, the last three optional, and optionally "gate_weight_share", "max_violation_batch",
 * "router_logit_norm", "aux_loss", "z_loss", "bias_min", "bias_max", "block"; a line sums its num_steps steps. Of any
 * length: all of it is checked, and the last 20000 lines of each layer (at most 2^24 counts) are kept and judged
 * @param json {"window": 50, "warmup": 50, "settle_steps": 50, "collapsed_below", "skewed_below",
 * "always_chosen_above", "often_chosen_above", "overloaded_above", "gate_collapsed_below", "gate_excess_above",
 * "gate_gap_above", "drop_rate_above", "cold_below", "hot_above", "chance_above", "early_share_above",
 * "falling_above"}; for the advice also "aux_loss_coef", "z_loss_coef", "router_init_std", "bias_balancing" (true or
 * false; unknown when left out)
 * @param buf receives {"verdict": "healthy" | "skewed" | "at-risk" | "collapsed" | "sham" | "untested", "window",
 * "warmup", "options", "layers": [{"layer", "verdict", "rule", "reason", "advice", "findings", "figures",
 * "windows"}], "text"}; the worst layer decides
 * @return MINIMOE_E_INVALID_ARGUMENT with the number of the line for what no router can have done */
MINIMOE_API minimoe_status minimoe_health_check(const char *log, size_t log_len, const char *json, size_t json_len,
                                                char *buf, size_t buf_cap, size_t *buf_needed, minimoe_error *err);

/** The same of a trainer's own steps since it was created or resumed: the last ones step by step, older ones summed, in
 * bounded memory. "layer" is the index among the MoE layers, "block" its block; warmup and what the advice looks at
 * default to the trainer's. At least one step must be done. @param json as minimoe_health_check @param buf as there */
MINIMOE_API minimoe_status minimoe_trainer_health(const minimoe_trainer *trainer, const char *json, size_t json_len,
                                                  char *buf, size_t buf_cap, size_t *buf_needed, minimoe_error *err);

/** Where every token is sent, [L, B * seq_len, K] over the L MoE layers in block order, K = top_k: experts by
 * descending biased score, -1 for padding; combine weights; 1 for kept assignments, 0 for those that capacity dropped
 * (that of evaluation). When a capacity is too small, all three counts are set. A dense model has nothing to tell:
 * count 0.
 * @param tokens as minimoe_model_forward @param valid as there @param seq_len as there @param ids receives experts
 * @param values receives weights
 * @param labels receives what was kept */
MINIMOE_API minimoe_status minimoe_model_routing_trace(const minimoe_model *model, const int32_t *tokens,
                                                       size_t num_tokens, const uint8_t *valid, size_t num_valid,
                                                       size_t seq_len, int32_t *ids, size_t ids_cap, size_t *ids_needed,
                                                       float *values, size_t values_cap, size_t *values_needed,
                                                       uint8_t *labels, size_t labels_cap, size_t *labels_needed,
                                                       minimoe_error *err);

/** What the experts of each MoE layer divide by: token class, word form, or nothing, with the controls that tell these
 * apart. {"corpus", "split", "num_windows", "num_tokens", "by": "class", or "frequency" for a dataset without classes,
 * whose tokens are then divided by how often they occur, "class_names", "options", "layers": [..], "text": what a
 * terminal shows}. Each layer: {"block", "num_experts", "top_k", "histogram": [..E assignments], "by_choice": [[..E]
 * for each of K], "classes": [{"name", "count", "enough": false when too few tokens, "share": [..E], "lift": [..E]}],
 * "frequency": [{"name": "1-10", "count", "enough", "share"}], "nmi": {"value", "low", "high", "ceiling"}, "controls":
 * {"shuffled_labels": {"mean", "std", "max", "draws", "p_value", "least_p_value": 1 / (1 + draws), "decidable": false
 * with fewer than 99 permutations, whose p cannot reach 0.01}, "random_table", "random_router", "within_word_shuffle"},
 * "word_explains", "class_explains", "class_beyond_word", "class_given_word", "conclusion": "class", "word-form",
 * "random-like", "none", or "undecided" where too few permutations leave it open, "text"}. docs/specialisation.md has
 * the definitions.
 *
 * When the buffer is too small, `needed` is what surely suffices, and nothing was computed.
 * MINIMOE_E_INVALID_ARGUMENT for a model without MoE layers and for a split without windows. Windows and batches have
 * train.seq_len and train.batch_size of the model's configuration.
 * @param json {"max_windows": 500 (0: all; of "train" 1 or more), "seed": 0, "num_permutations": 199, "num_bootstrap":
 * 200, "num_tables": 20, "num_routers": 8, "num_word_shuffles": 20, "min_class_tokens": 100}; the numbers of draws are
 * at most 100000 @param cancel NULL, or looked at between batches and draws */
MINIMOE_API minimoe_status minimoe_model_specialisation(const minimoe_model *model, const minimoe_dataset *dataset,
                                                        const char *split, const char *json, size_t json_len,
                                                        minimoe_cancel_token *cancel, char *buf, size_t buf_cap,
                                                        size_t *buf_needed, minimoe_error *err);

/** What the capacity limit costs a model: who is dropped, and the loss without drops. {"train": {"split": "train",
 * "capacity_factor": 0 without a limit, "num_windows", "num_tokens", "num_batches", "loss", "loss_without_drops" (of
 * the same batches, the limit lifted), "difference": {"mean", "standard_error" over the batches}, "layers": [{"block",
 * "capacity", "num_assignments", "num_dropped", "drop_rate", "num_skipped_tokens", "experts": [{"load", "dropped"}],
 * "positions": [..drop rate at each position of a sequence], "rows": [..of each sequence of a batch], "classes":
 * [{"name", "count", "enough", "dropped", "drop_rate"}]}]}, "evaluation": the same of `split` under
 * eval_capacity_factor, "stragglers": [{"block", "expert" with the most rows, "row_share", "time_share", "slowdown",
 * "seconds": [..E], "seconds_together", "layer_seconds", "layer_time_share"}], "text"}. Stragglers: the experts on one
 * batch without drops, each timed alone; measurements, which differ from run to run. docs/specialisation.md has the
 * definitions.
 *
 * When the buffer is too small, `needed` is what surely suffices, and nothing was computed. Errors as
 * minimoe_model_specialisation; "train" is no evaluation split.
 * @param split of evaluation @param json {"max_windows": 500 (0: all of the split; of the training windows as many),
 * "min_class_tokens": 100} @param cancel NULL, or looked at between batches */
MINIMOE_API minimoe_status minimoe_model_capacity_report(const minimoe_model *model, const minimoe_dataset *dataset,
                                                         const char *split, const char *json, size_t json_len,
                                                         minimoe_cancel_token *cancel, char *buf, size_t buf_cap,
                                                         size_t *buf_needed, minimoe_error *err);

/** A configuration balanced in several ways, for runs that differ in nothing else: [{"name", "title": fit for a
 * directory name, "config": whole}], in the order of `kinds`. "none" has neither balance loss nor bias, "aux" the
 * balance loss, "seq-aux" that of each sequence, "bias" bias balancing, "bias+aux" both. The configuration's own
 * aux_loss_coef (0.01 where it is 0) and bias_update_rate are those that are used: {"model": {"moe": {"layers": [1],
 * "aux_loss_coef": 0.02}}} and "none,aux" give two configurations with the coefficients 0 and 0.02.
 * MINIMOE_E_INVALID_ARGUMENT for a kind that is unknown or there twice, and without an MoE layer. @param json a run
 * configuration @param kinds some of none,aux,seq-aux,bias,bias+aux, separated by commas */
MINIMOE_API minimoe_status minimoe_config_balancers(const char *json, size_t json_len, const char *kinds, char *buf,
                                                    size_t buf_cap, size_t *buf_needed, minimoe_error *err);

/** The four models of a comparison of MoE with dense: [{"key": "dense_baseline", "title": "dense" (fit for a directory
 * name), "config": whole}, and the same of "moe_variant" ("moe": the configuration itself), "dense_active_matched"
 * ("dense-active") and "dense_total_matched" ("dense-total")]. The baseline has the same d_ff; the other two have the
 * d_ff that brings their parameters nearest to those that a token passes through in the MoE model, and to all of them.
 * MINIMOE_E_INVALID_ARGUMENT without an MoE layer, and when model.vocab_size is 0 (minimoe_dataset_fit_config sets it).
 * @param json a run configuration */
MINIMOE_API minimoe_status minimoe_config_variants(const char *json, size_t json_len, char *buf, size_t buf_cap,
                                                   size_t *buf_needed, minimoe_error *err);

/** Should one take the MoE model instead of a dense one, by a rule written down before the figures are seen:
 * {"verdict": "adopt", "never" or "defer", "rule", "reasons": [sentences], "gain", "gain_low", "gain_high",
 * "cpu_time_ratio", "differences": {"moe_variant_minus_dense_baseline": {"mean", "std", "min", "max", "low", "high",
 * "n", "values"}, and the same minus dense_active_matched and dense_total_matched}, "limits", "spread": {variant:
 * {figure:
 * {"mean", ..}}}}. Differences are of validation loss, paired by seed; low and high are the 95 % interval (Student's
 * t); gain is 1 - exp(mean difference to the baseline). One seed has no interval (null) and is "defer". "adopt": the
 * interval excludes 0 in MoE's favour against all three dense models, and the gain is above 0.01. "never": against the
 * baseline the interval lies wholly on the losing side, or wholly within +-1 % of its perplexity while CPU time is
 * above 1.5 times its. Else "defer".
 * @param json {"moe_variant": {"val_loss": [nats a token, one a seed], "cpu_time_s": [..], and any other figure},
 * "dense_baseline" (same d_ff): .., "dense_active_matched" (as many parameters as a token passes through): ..,
 * "dense_total_matched" (as many as there are): ..}; cpu_time_s only needed of the first two. null, which stands for
 * NaN in JSON, is refused with its path. */
MINIMOE_API minimoe_status minimoe_compare_verdict(const char *json, size_t json_len, char *buf, size_t buf_cap,
                                                   size_t *buf_needed, minimoe_error *err);
/** What a comparison found, as Markdown of 300 to 600 words: lower perplexity, how many more parameters, was balancing
 * working, linguistic or arbitrary specialisation, longer and why, adopt. Each sentence is chosen by the figures.
 * @param json manifest.json of `minimoe compare`, at most 16 MiB; health and specialisation in it may be null. */
MINIMOE_API minimoe_status minimoe_compare_findings(const char *json, size_t json_len, char *buf, size_t buf_cap,
                                                    size_t *buf_needed, minimoe_error *err);

/* --------------------------------------------------------------------------------------- the bare MoE layer -- */
/* For a host that has its own model and loop. x and y are [T, D], D = d_model, E = num_experts, K = top_k, F =
 * d_expert; y is the weighted sum of the experts' outputs, plus the shared experts' (times sigmoid(x .
 * shared_gate.weight) with shared_expert_gate): norm and residual connection are the host's. Parameters are named
 * router.weight [E, D], router.bias [E] (with router_bias), expert_bias [E] (buffer), experts.w_gate_proj (with ffn
 * "swiglu"), experts.w_up_proj [E, F, D], experts.w_down_proj [E, D, F], experts.b_up_proj [E, F] and
 * experts.b_down_proj [E, D] (both with "gelu"), shared.* without the E for the shared experts, and shared_gate.weight
 * [1, D] (with shared_expert_gate). Gradients of parameters accumulate until minimoe_moe_layer_zero_gradients. */

/** What one forward routed, in short. */
typedef struct minimoe_routing_metrics {
  uint32_t struct_size; /**< bytes that the library filled in */
  uint32_t reserved;    /**< 0 */
  int64_t num_tokens;   /**< valid tokens */
  int64_t num_dropped;  /**< assignments cut by capacity */
  double aux_loss;      /**< Switch loss, unscaled; 1 is even */
  double z_loss;        /**< router z-loss, unscaled */
  double max_violation; /**< max(load) / mean(load) - 1; 0 is even */
  double load_entropy;  /**< of the load shares, over ln E: 1 is even */
} minimoe_routing_metrics;

/** A layer with the start values of train.seed. @param json a run configuration of which model.{d_model, ffn, gelu,
 * init_std, num_layers (w_down_proj starts with init_std / sqrt(2 * num_layers)), moe} and train.seed count; the other
 * values must be in their ranges and need not agree. aux_loss_scope "global_batch" means the tokens of one forward. */
MINIMOE_API minimoe_status minimoe_moe_layer_create(const char *json, size_t json_len, const minimoe_options *options,
                                                    minimoe_moe_layer **out, minimoe_error *err);
/** Adds an owner. */
MINIMOE_API minimoe_status minimoe_moe_layer_retain(minimoe_moe_layer *layer, minimoe_error *err);
/** Ends an ownership. NULL is fine. */
MINIMOE_API void minimoe_moe_layer_free(minimoe_moe_layer *layer);
/** The resolved configuration, whole. */
MINIMOE_API minimoe_status minimoe_moe_layer_config(const minimoe_moe_layer *layer, char *buf, size_t buf_cap,
                                                    size_t *buf_needed, minimoe_error *err);

/** Number of parameters (tensors, buffers such as expert_bias included). */
MINIMOE_API minimoe_status minimoe_moe_layer_num_parameters(const minimoe_moe_layer *layer, size_t *num_parameters,
                                                            minimoe_error *err);
/** As minimoe_model_parameter_info. */
MINIMOE_API minimoe_status minimoe_moe_layer_parameter_info(const minimoe_moe_layer *layer, size_t index, char *buf,
                                                            size_t buf_cap, size_t *buf_needed, minimoe_error *err);
/** Copies a parameter out. */
MINIMOE_API minimoe_status minimoe_moe_layer_parameter_get(const minimoe_moe_layer *layer, const char *name,
                                                           float *values, size_t values_cap, size_t *values_needed,
                                                           minimoe_error *err);
/** Overwrites a parameter; every value must be finite. */
MINIMOE_API minimoe_status minimoe_moe_layer_parameter_set(minimoe_moe_layer *layer, const char *name,
                                                           const float *data, size_t num_data, minimoe_error *err);
/** A view of a parameter. @param view_size sizeof(minimoe_tensor_view) of the caller. */
MINIMOE_API minimoe_status minimoe_moe_layer_parameter_view(const minimoe_moe_layer *layer, const char *name,
                                                            minimoe_tensor_view *view, size_t view_size,
                                                            minimoe_error *err);
/** Makes the layer use the caller's memory for a parameter, as it stands there, until it is bound elsewhere or the
 * layer is gone; count 0 goes back to the layer's own memory, with the values that it had. After every change of the
 * values by the host, call minimoe_moe_layer_parameters_changed. */
MINIMOE_API minimoe_status minimoe_moe_layer_bind_parameter(minimoe_moe_layer *layer, const char *name, float *data,
                                                            size_t num_data, minimoe_error *err);
/** Makes the layer add to the caller's memory as a parameter's gradient; count 0 goes back to the layer's own. Buffers
 * have no gradient. */
MINIMOE_API minimoe_status minimoe_moe_layer_bind_gradient(minimoe_moe_layer *layer, const char *name, float *data,
                                                           size_t num_data, minimoe_error *err);
/** Tells the layer that the host wrote to bound parameters. */
MINIMOE_API minimoe_status minimoe_moe_layer_parameters_changed(minimoe_moe_layer *layer, minimoe_error *err);
/** Copies the gradient of a parameter out. */
MINIMOE_API minimoe_status minimoe_moe_layer_gradient_get(const minimoe_moe_layer *layer, const char *name,
                                                          float *values, size_t values_cap, size_t *values_needed,
                                                          minimoe_error *err);
/** Sets the gradients of all parameters to 0, bound ones included. */
MINIMOE_API minimoe_status minimoe_moe_layer_zero_gradients(minimoe_moe_layer *layer, minimoe_error *err);

/** The layer's output for inference (capacity is eval_capacity_factor). @param x [T, D] @param valid [T], 0 marks
 * tokens that are not routed (output 0); count 0: none @param values receives y [T, D]; must not overlap x. */
MINIMOE_API minimoe_status minimoe_moe_layer_infer(const minimoe_moe_layer *layer, const float *x, size_t num_x,
                                                   const uint8_t *valid, size_t num_valid, float *values,
                                                   size_t values_cap, size_t *values_needed, minimoe_error *err);

/** Room for what one forward of at most `max_tokens` (1..2^24) tokens leaves for its backward. Several caches make
 * several forwards before their backwards possible. Keeps its layer alive. MINIMOE_E_INVALID_ARGUMENT for more than an
 * address space holds, MINIMOE_E_OUT_OF_MEMORY for more than there is. */
MINIMOE_API minimoe_status minimoe_moe_cache_create(minimoe_moe_layer *layer, size_t max_tokens,
                                                    minimoe_moe_cache **out, minimoe_error *err);
/** Frees a cache. NULL is fine. */
MINIMOE_API void minimoe_moe_cache_free(minimoe_moe_cache *cache);

/** The layer's output in training (capacity is capacity_factor). Reads the layer, writes the cache.
 * @param cache of this layer @param x as minimoe_moe_layer_infer @param valid as there @param values as there
 * @param seq_len tokens a sequence, for aux_loss_scope "sequence"; T is a multiple of it; 0: one sequence of T
 * @return MINIMOE_E_NON_FINITE when a logit of a valid token is NaN or infinite; the cache then holds no forward */
MINIMOE_API minimoe_status minimoe_moe_layer_forward(const minimoe_moe_layer *layer, minimoe_moe_cache *cache,
                                                     const float *x, size_t num_x, const uint8_t *valid,
                                                     size_t num_valid, size_t seq_len, float *values, size_t values_cap,
                                                     size_t *values_needed, minimoe_error *err);

/** Adds to the parameters' gradients and gives that of x. Once for each forward: it consumes the cache's activations;
 * the routing decisions stay readable.
 * @param x what forward was given (the cache keeps no copy) @param d_y [T, D] gradient of y @param balance_scale factor
 * on the configured aux_loss_coef and z_loss_coef, 0..1e6: 1 for a plain loss, 1/A with A micro-batches, 0
 * for no balance losses @param values receives d_x [T, D]; must overlap neither x nor d_y.
 * @return MINIMOE_E_NON_FINITE when x or d_y of a valid token is NaN or infinite; nothing was added or consumed */
MINIMOE_API minimoe_status minimoe_moe_layer_backward(minimoe_moe_layer *layer, minimoe_moe_cache *cache,
                                                      const float *x, size_t num_x, const float *d_y, size_t num_d_y,
                                                      double balance_scale, float *values, size_t values_cap,
                                                      size_t *values_needed, minimoe_error *err);

/** Aux-loss-free balancing: expert_bias[i] += bias_update_rate * sign(mean(load) - load[i]). Once an optimizer step,
 * with the loads of all its forwards. @param load [E] */
MINIMOE_API minimoe_status minimoe_moe_layer_update_bias(minimoe_moe_layer *layer, const int64_t *load, size_t num_load,
                                                         minimoe_error *err);

/** Chosen experts [T, K] of the cache's forward, by descending score; -1 for tokens that are not valid. */
MINIMOE_API minimoe_status minimoe_moe_cache_topk_idx(const minimoe_moe_cache *cache, int32_t *ids, size_t ids_cap,
                                                      size_t *ids_needed, minimoe_error *err);
/** Combine weights [T, K] of the chosen experts, before any capacity drop; 0 for tokens that are not valid. */
MINIMOE_API minimoe_status minimoe_moe_cache_gate_weights(const minimoe_moe_cache *cache, float *values,
                                                          size_t values_cap, size_t *values_needed, minimoe_error *err);
/** 1 for every kept assignment [T, K], 0 for those that capacity dropped and for tokens that are not valid. */
MINIMOE_API minimoe_status minimoe_moe_cache_kept(const minimoe_moe_cache *cache, uint8_t *labels, size_t labels_cap,
                                                  size_t *labels_needed, minimoe_error *err);
/** Router logits [T, E]; 0 for tokens that are not valid. */
MINIMOE_API minimoe_status minimoe_moe_cache_router_logits(const minimoe_moe_cache *cache, float *values,
                                                           size_t values_cap, size_t *values_needed,
                                                           minimoe_error *err);
/** Router probabilities [T, E]: softmax of the logits, or the sigmoids divided by their sum; 0 for tokens that are not
 * valid. */
MINIMOE_API minimoe_status minimoe_moe_cache_router_probs(const minimoe_moe_cache *cache, float *values,
                                                          size_t values_cap, size_t *values_needed, minimoe_error *err);
/** Assignments of each expert [E], before any capacity drop. */
MINIMOE_API minimoe_status minimoe_moe_cache_load(const minimoe_moe_cache *cache, int64_t *counts, size_t counts_cap,
                                                  size_t *counts_needed, minimoe_error *err);
/** The forward in short. @param metrics_size sizeof(minimoe_routing_metrics) of the caller. */
MINIMOE_API minimoe_status minimoe_moe_cache_metrics(const minimoe_moe_cache *cache, minimoe_routing_metrics *metrics,
                                                     size_t metrics_size, minimoe_error *err);

/* -------------------------------------------------------------------------------------------------------- balance --
 */

/** What a load vector says about balance: {"max_violation", "max_share", "load_entropy", "effective_experts",
 * "share_stddev", "num_dead", "num_cold", "num_hot", "utilisation": [..E]}. @param load [E], 0 or more, not all 0
 * @param top_k 1..E. */
MINIMOE_API minimoe_status minimoe_load_statistics(const int64_t *load, size_t num_load, size_t top_k, char *buf,
                                                   size_t buf_cap, size_t *buf_needed, minimoe_error *err);

#ifdef __cplusplus
}
#endif

#endif /* MINIMOE_H_ */
