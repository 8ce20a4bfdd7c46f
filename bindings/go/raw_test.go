// SPDX-License-Identifier: Apache-2.0

package minimoe_test

import (
	"testing"

	"minimoe/internal/counting"
	"minimoe/internal/raw"
)

func TestAnOwnerMoreKeepsADatasetAndATokenAlive(t *testing.T) {
	collected(t, "blocks", counting.Blocks)
	e, options := new(raw.Error), new(raw.Options)
	succeeds := func(status int32) {
		t.Helper()
		if status != 0 {
			t.Fatal(e.Text())
		}
	}
	succeeds(raw.OptionsInit(options, e))
	options.Allocate, options.Deallocate = counting.Allocate(), counting.Deallocate()
	var dataset raw.Dataset
	succeeds(raw.DatasetCreate([]byte(`{"vocab_size": 3}`), options, &dataset, e))
	succeeds(raw.DatasetAppendI32(dataset, []int32{0, 1, 2}, nil, e))
	succeeds(raw.DatasetRetain(dataset, e))
	raw.DatasetFree(dataset)
	succeeds(raw.DatasetAppendI32(dataset, []int32{0, 1, 2}, nil, e))
	raw.DatasetFree(dataset)
	if left := counting.Blocks(); left != 0 {
		t.Fatal(left)
	}

	var token raw.CancelToken
	fired := int32(-1)
	succeeds(raw.CancelTokenCreate(&token, e))
	succeeds(raw.CancelTokenFired(token, &fired, e))
	if fired != 0 {
		t.Fatal(fired)
	}
	succeeds(raw.CancelTokenRetain(token, e))
	succeeds(raw.CancelTokenFire(token, e))
	raw.CancelTokenFree(token)
	succeeds(raw.CancelTokenFired(token, &fired, e))
	raw.CancelTokenFree(token)
	if fired != 1 {
		t.Fatal(fired)
	}
}
