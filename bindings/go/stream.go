// SPDX-License-Identifier: Apache-2.0

package minimoe

import (
	"context"
	"iter"

	"minimoe/internal/raw"
)

// TokenStream is a continuation that is pulled, token by token. It keeps its model's memory alive, and the keys and values
// of the text so far, so that a token costs one token.
type TokenStream struct {
	handle *handle[raw.TokenStream]
}

// Stream gives the tokens of [Model.Generate], each computed when it is asked for; but unless GenerateOptions.WhenFull is
// "slide" the text ends with token Model.MaxSeqLen + 1, and a prompt longer than Model.MaxSeqLen is refused.
func (m *Model) Stream(prompt []int32, opts GenerateOptions) (*TokenStream, error) {
	const op = "Model.Stream"
	written, err := encode(op, opts)
	if err != nil {
		return nil, err
	}
	var ref raw.TokenStream
	err = m.handle.try(op, func(model raw.Model, e *raw.Error) int32 {
		return raw.TokenStreamCreate(model, prompt, written, &ref, e)
	})
	if err != nil {
		return nil, err
	}
	s := &TokenStream{handle: newHandle(ref, raw.TokenStreamFree, m.sink.retain().release)}
	closeWith(s, s.handle)
	return s, nil
}

// Close frees the stream. It never fails.
func (s *TokenStream) Close() error {
	s.handle.close()
	return nil
}

// Tokens gives the tokens to the end of the text:
//
//	for token, err := range stream.Tokens(ctx) {
//		if err != nil { ... }
//	}
//
// An error, that of ctx included, ends the loop; a new loop goes on where the last one was left. ErrUnsupported says that
// the model's parameters have changed since the stream was made.
func (s *TokenStream) Tokens(ctx context.Context) iter.Seq2[int32, error] {
	const op = "TokenStream.Tokens"
	return func(yield func(int32, error) bool) {
		token, err := cancelOn(ctx, op)
		if err != nil {
			yield(0, err)
			return
		}
		defer token.end()
		for {
			token.look()
			id := int32(-1)
			err := s.handle.try(op, func(ref raw.TokenStream, e *raw.Error) int32 {
				return raw.TokenStreamNext(ref, token.ref, &id, e)
			})
			switch {
			case err != nil:
				yield(0, becauseOf(ctx, err))
				return
			case id < 0 || !yield(id, nil):
				return
			}
		}
	}
}

// Drawn gives the tokens drawn so far, without the prompt.
func (s *TokenStream) Drawn() ([]int32, error) {
	return growOf(s.handle, "TokenStream.Drawn", 0, raw.TokenStreamTokens)
}

// Logits gives those that the last token was drawn from, [V]; none before the first and after an error.
func (s *TokenStream) Logits() ([]float32, error) {
	return growOf(s.handle, "TokenStream.Logits", 0, raw.TokenStreamLogits)
}

// StreamInfo is how far a stream has come.
type StreamInfo struct {
	NumTokens   int    `json:"num_tokens"`   // of the prompt and drawn
	End         string `json:"end"`          // "": not yet; "max_new_tokens", "stop_token", "max_seq_len"
	MemoryBytes int64  `json:"memory_bytes"` // keys, values and activations that it holds
	// Of the copy of the weights that it shares with the model's other streams; 0: none.
	PackedWeightsBytes int64 `json:"packed_weights_bytes"`
}

// Info describes the stream.
func (s *TokenStream) Info() (StreamInfo, error) {
	return documentOf[StreamInfo](s.handle, "TokenStream.Info", raw.TokenStreamInfo)
}
