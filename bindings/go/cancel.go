// SPDX-License-Identifier: Apache-2.0

package minimoe

import (
	"context"

	"minimoe/internal/raw"
)

// cancelToken fires when a context ends. The library looks at it between micro-batches, batches or tokens.
type cancelToken struct {
	ctx  context.Context
	ref  raw.CancelToken // 0 for a context that never ends
	stop func() bool
}

func cancelOn(ctx context.Context, op string) (*cancelToken, error) {
	if ctx.Done() == nil {
		return &cancelToken{ctx: ctx}, nil
	}
	var ref raw.CancelToken
	if err := try(op, func(e *raw.Error) int32 { return raw.CancelTokenCreate(&ref, e) }); err != nil {
		return nil, err
	}
	// The function that waits owns the token too: it may just have begun to run when end is called.
	if err := try(op, func(e *raw.Error) int32 { return raw.CancelTokenRetain(ref, e) }); err != nil {
		raw.CancelTokenFree(ref)
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() {
		raw.CancelTokenFire(ref, nil)
		raw.CancelTokenFree(ref)
	})
	return &cancelToken{ctx: ctx, ref: ref, stop: stop}, nil
}

// look fires the token if the context has ended, without waiting for the goroutine that would do it.
func (t *cancelToken) look() {
	if t.ref != 0 && t.ctx.Err() != nil {
		raw.CancelTokenFire(t.ref, nil)
	}
}

func (t *cancelToken) end() {
	if t.ref == 0 {
		return
	}
	if t.stop() {
		raw.CancelTokenFree(t.ref) // what the function owned
	}
	raw.CancelTokenFree(t.ref)
}

// cancellable runs body with a token of ctx, and says in its error why ctx ended.
func cancellable(ctx context.Context, op string, body func(cancel raw.CancelToken) error) error {
	token, err := cancelOn(ctx, op)
	if err != nil {
		return err
	}
	defer token.end()
	token.look()
	return becauseOf(ctx, body(token.ref))
}
