// SPDX-License-Identifier: Apache-2.0

package minimoe_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"minimoe"
)

// keysOf gives the dotted JSON names of a struct's fields, with their types.
func keysOf(of reflect.Type, prefix string, keys map[string]reflect.Type) {
	for i := range of.NumField() {
		name := prefix + of.Field(i).Tag.Get("json")
		if of.Field(i).Type.Kind() == reflect.Struct {
			keysOf(of.Field(i).Type, name+".", keys)
		} else {
			keys[name] = of.Field(i).Type
		}
	}
}

func TestEveryKeyOfTheLibraryIsAFieldOfItsTypeAndEveryFieldAKey(t *testing.T) {
	fields := map[string]reflect.Type{}
	keysOf(reflect.TypeFor[minimoe.Config](), "", fields)
	for _, key := range ok(minimoe.ConfigKeys())(t) {
		if key.Key == "model.preset" { // chooses defaults, and is gone from what is resolved
			continue
		}
		field, found := fields[key.Key]
		if !found {
			t.Errorf("no field for %s", key.Key)
			continue
		}
		delete(fields, key.Key)
		value := reflect.New(field).Interface()
		if err := json.Unmarshal([]byte(key.Default), value); err != nil {
			t.Errorf("%s, a %v: default %s: %v", key.Key, field, key.Default, err)
		}
		wantsFloat := strings.Contains(key.Type, "a number")
		if isFloat := strings.Contains(field.String(), "float64"); isFloat != wantsFloat {
			t.Errorf("%s, %s, is a %v", key.Key, key.Type, field)
		}
	}
	if len(fields) != 0 {
		t.Errorf("fields without a key: %v", slices.Collect(maps.Keys(fields)))
	}
}

func TestAConfigGoesToTheLibraryAndBackUnchanged(t *testing.T) {
	for _, text := range []string{"", `{"model": {"preset": "llama", "rope_theta": 12345.678, "moe": {"layers": [0, 1],
		"router_bias": true, "router_bias_init": [0.1, -2, 3e-7, 0]}}, "train": {"seed": 18446744073709551615,
		"learning_rate": 0.1}, "data": {"corpus": "a \"b\" é.txt", "languages": ["es"]}}`} {
		config := ok(minimoe.ParseConfig([]byte(text)))(t)
		written := ok(json.Marshal(config))(t)
		again := ok(minimoe.ParseConfig(written))(t)
		if !reflect.DeepEqual(config, again) {
			t.Fatalf("%+v\n%+v", config, again)
		}
	}
}

func TestPresetsAreWhatTheyAreCalled(t *testing.T) {
	lab, dense := ok(minimoe.Preset("lab"))(t), ok(minimoe.Preset("lab-dense"))(t)
	if !slices.Equal(lab.Model.MoE.Layers, []int{1}) || len(dense.Model.MoE.Layers) != 0 {
		t.Fatalf("%+v, %+v", lab.Model.MoE, dense.Model.MoE)
	}
	if llama := ok(minimoe.ParseConfig([]byte(`{"model": {"preset": "llama"}}`)))(t); llama.Model.Norm != "rms_norm" {
		t.Fatalf("%+v", llama.Model)
	}
}

func TestNilSlicesAreEmptyLists(t *testing.T) {
	config := ok(minimoe.DefaultConfig())(t)
	config.Model.MoE.Layers, config.Model.MoE.RouterBiasInit = nil, nil
	must(t, config.Check())
}

func TestAConfigWithAKeyThatThePackageLacksIsRefusedAndNotCut(t *testing.T) {
	written := ok(json.Marshal(smallConfig(t)))(t)
	newer := bytes.Replace(written, []byte(`"top_k"`), []byte(`"of_tomorrow":1,"top_k"`), 1)
	var config minimoe.Config
	if err := json.Unmarshal(newer, &config); err == nil || !strings.Contains(err.Error(), "of_tomorrow") {
		t.Fatal(err)
	}
}

func TestAConfigFromBeforeAnOutputBiasCouldBeLeftOutHasOne(t *testing.T) {
	written := ok(json.Marshal(smallConfig(t)))(t)
	older := bytes.Replace(written, []byte(`"attention_output_bias":true,`), nil, 1)
	var config minimoe.Config
	must(t, json.Unmarshal(older, &config))
	if len(older) == len(written) || !config.Model.AttentionOutputBias {
		t.Fatalf("%s: %+v", older, config.Model)
	}
}

func TestCostAndMemoryAreThoseOfTheModel(t *testing.T) {
	config := smallConfig(t)
	cost := ok(config.Cost())(t)
	info := ok(smallModel(t).Info())(t)
	if cost.TotalParameters != info.TotalParameters || cost.ActiveParameters != info.ActiveParameters ||
		cost.ActiveParameters >= cost.TotalParameters || cost.TrainFlopsPerToken <= 0 {
		t.Fatalf("%+v, %+v", cost, info)
	}
	one, two := ok(config.EstimateMemory(minimoe.WithThreads(1)))(t), ok(config.EstimateMemory(minimoe.WithThreads(2)))(t)
	sum := one.Parameters + one.Gradients + one.Moments + one.Activations + one.Workspace
	if one.Parameters < 4*cost.TotalParameters || one.Total != sum || two.Workspace <= one.Workspace {
		t.Fatalf("%+v, %+v", one, two)
	}
}

func TestVersionAndBuild(t *testing.T) {
	info := ok(minimoe.GetBuildInfo())(t)
	if info.Version != minimoe.Version() || minimoe.VersionNumber() < 1000 || info.NumCores < 1 ||
		!slices.Contains(info.InstructionSets, "scalar") || !slices.Contains(info.MatmulBackends, "native") {
		t.Fatalf("%+v", info)
	}
}
