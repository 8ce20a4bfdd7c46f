// SPDX-License-Identifier: Apache-2.0

package minimoe_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"minimoe"
)

func TestAnErrorHasKindPlaceAndMessage(t *testing.T) {
	_, err := smallModel(t).Parameter("blocks.1.moe.router.weigth")
	var e *minimoe.Error
	if !errors.As(fmt.Errorf("wrapped: %w", err), &e) {
		t.Fatalf("%T", err)
	}
	if e.Code != minimoe.ErrInvalidArgument || e.Op != "Model.Parameter" || !strings.Contains(e.Message, "weigth") {
		t.Fatalf("%+v", e)
	}
	if text := err.Error(); !strings.HasPrefix(text, "minimoe: Model.Parameter: ") || strings.Contains(text, "minimoe_model") {
		t.Fatal(text)
	}
	if !errors.Is(err, minimoe.ErrInvalidArgument) || errors.Is(err, minimoe.ErrShape) || errors.Is(err, minimoe.ErrClosed) {
		t.Fatal("of the wrong kind")
	}
}

func TestCodesHaveTheirNames(t *testing.T) {
	if minimoe.ErrBufferTooSmall.String() != "MINIMOE_E_BUFFER_TOO_SMALL" || minimoe.ErrIO.String() != "MINIMOE_E_IO" {
		t.Fatal(minimoe.ErrBufferTooSmall.String(), minimoe.ErrIO.String())
	}
	if minimoe.ErrCorruptFile.Error() != "minimoe: corrupt file" || minimoe.Code(12345).String() != "MINIMOE_E_?" {
		t.Fatal(minimoe.ErrCorruptFile.Error(), minimoe.Code(12345).String())
	}
}

func TestALongMessageArrivesWhole(t *testing.T) {
	name := strings.Repeat("é", 5000)
	_, err := smallModel(t).Parameter(name)
	var e *minimoe.Error
	if !errors.As(err, &e) || len(e.Message) > 1023 || !strings.HasPrefix(e.Message, "minimoe_model_parameter_get") {
		t.Fatal(err)
	}
}

func TestEachGoroutineSeesItsOwnError(t *testing.T) {
	model, layer := smallModel(t), smallLayer(t)
	var group sync.WaitGroup
	for g := range 32 {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := range 500 {
				name := fmt.Sprintf("of.goroutine.%d.call.%d", g, i)
				var err error
				kind := minimoe.ErrInvalidArgument
				switch i % 3 {
				case 0:
					_, err = model.Parameter(name)
				case 1:
					_, err = minimoe.Preset(name)
				case 2:
					err, kind = layer.InferInto(make([]float32, 6*(g+1)), minimoe.LayerInput{X: make([]float32, 6*(g+1)+1)}), minimoe.ErrShape
					name = fmt.Sprint(6*(g+1) + 1)
				}
				if !errors.Is(err, kind) || !strings.Contains(err.Error(), name) {
					t.Errorf("goroutine %d, call %d: %v", g, i, err)
					return
				}
			}
		}()
	}
	group.Wait()
}
