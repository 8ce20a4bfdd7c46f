// SPDX-License-Identifier: Apache-2.0

package main

import "minimoe/internal/raw"

func (r *runner) library() {
	r.result["version_number"] = raw.VersionNumber()
	r.result["version_string"] = raw.VersionString()
	r.text("build_info", raw.BuildInfo)
	r.text("config_keys", raw.ConfigKeys)
	r.text("config_breaks", raw.ConfigBreaks)
	names := make([]string, len(r.Codes))
	for i, code := range r.Codes {
		names[i] = raw.StatusName(code)
	}
	r.result["status_names"] = names
}

func (r *runner) config() {
	config := []byte(r.Config)
	r.text("resolved", func(b []byte, n *uint64, e *raw.Error) int32 { return raw.ConfigResolve(config, b, n, e) })
	r.text("cost", func(b []byte, n *uint64, e *raw.Error) int32 { return raw.ConfigCost(config, b, n, e) })
	r.text("memory", func(b []byte, n *uint64, e *raw.Error) int32 {
		return raw.ConfigEstimateMemory(config, r.options, b, n, e)
	})
	r.text("variants", func(b []byte, n *uint64, e *raw.Error) int32 { return raw.ConfigVariants(config, b, n, e) })
	r.text("balancers", func(b []byte, n *uint64, e *raw.Error) int32 { return raw.ConfigBalancers(config, r.Kinds, b, n, e) })
}

// makeDataset gives 0 after writing "create".
func (r *runner) makeDataset() raw.Dataset {
	dataset := new(raw.Dataset)
	err := call(func(e *raw.Error) int32 {
		if r.Kind == "open" {
			return raw.DatasetOpen([]byte(r.JSON), r.options, dataset, e)
		}
		return raw.DatasetCreate([]byte(r.JSON), r.options, dataset, e)
	})
	if err != nil {
		r.result["create"] = err
		return 0
	}
	if r.Kind == "open" {
		return *dataset
	}
	wide := tokens(r.DataTag, r.NumData, r.VocabSize)
	var classes []byte
	narrow := make([]uint16, len(wide))
	for i, token := range wide {
		narrow[i] = uint16(token)
		if r.NumClasses != 0 {
			classes = append(classes, byte(int64(token)%r.NumClasses))
		}
	}
	err = call(func(e *raw.Error) int32 {
		if r.Kind == "u16" {
			return raw.DatasetAppendU16(*dataset, narrow, classes, e)
		}
		return raw.DatasetAppendI32(*dataset, wide, classes, e)
	})
	if err != nil {
		panic(err.Message)
	}
	return *dataset
}

func (r *runner) fitted(dataset raw.Dataset) ([]byte, *failure) {
	out, err := grow(func(b []byte, n *uint64, e *raw.Error) int32 {
		return raw.DatasetFitConfig(dataset, []byte(r.Config), b, n, e)
	})
	if err != nil {
		return nil, err
	}
	return out[:len(out)-1], nil
}

func (r *runner) dataset() {
	d := r.makeDataset()
	if d == 0 {
		return
	}
	defer raw.DatasetFree(d)
	seed, index := uint64(r.Seed), uint64(r.Index)
	r.text("info", func(b []byte, n *uint64, e *raw.Error) int32 { return raw.DatasetInfo(d, b, n, e) })
	num := new(uint64)
	r.set("num_windows", call(func(e *raw.Error) int32 { return raw.DatasetNumWindows(d, r.Split, r.SeqLen, num, e) }),
		func() any { return *num })
	var classes []byte
	window, err := grow(func(ids []int32, n *uint64, e *raw.Error) int32 {
		classes = make([]byte, len(ids))
		num := new(uint64)
		status := raw.DatasetWindow(d, r.Split, seed, index, r.SeqLen, ids, n, classes, num, e)
		if status == 0 {
			classes = classes[:*num]
		}
		return status
	})
	r.set("window.tokens", err, func() any { return integersOf(window) })
	r.set("window.classes", err, func() any { return integersOf(classes) })
	if err == nil {
		r.text("decoded", func(b []byte, n *uint64, e *raw.Error) int32 { return raw.DatasetDecode(d, window, b, n, e) })
	}
	integers(r, "encoded", func(ids []int32, n *uint64, e *raw.Error) int32 {
		return raw.DatasetEncode(d, []byte(r.Text), ids, n, e)
	})
	r.text("sentence", func(b []byte, n *uint64, e *raw.Error) int32 {
		return raw.DatasetSentence(d, r.Split, seed, index, b, n, e)
	})
	floor := new(float64)
	r.set("entropy_floor", call(func(e *raw.Error) int32 {
		return raw.DatasetEntropyFloor(d, r.Split, r.SeqLen, r.NumWindows, floor, e)
	}), func() any { return doublesOf(*floor) })
	for _, key := range []string{"sentence", "entropy_floor"} {
		if err, failed := r.result[key].(*failure); failed && int(err.code) == raw.MINIMOE_E_UNSUPPORTED {
			r.result[key] = nil
		}
	}
	r.text("fitted", func(b []byte, n *uint64, e *raw.Error) int32 {
		return raw.DatasetFitConfig(d, []byte(r.Config), b, n, e)
	})
}
