// SPDX-License-Identifier: Apache-2.0

package minimoe

import "minimoe/internal/raw"

// Version is that of the running library, "0.1.0".
func Version() string { return raw.VersionString() }

// VersionNumber is the same as major * 1000000 + minor * 1000 + patch.
func VersionNumber() int { return int(raw.VersionNumber()) }

// BuildInfo is how the library was built, and what this CPU offers.
type BuildInfo struct {
	Version         string   `json:"version"`
	Compiler        string   `json:"compiler"`
	BuildType       string   `json:"build_type"`
	MatmulBackends  []string `json:"matmul_backends"`
	CPU             string   `json:"cpu"`
	NumCores        int      `json:"num_cores"`
	InstructionSets []string `json:"instruction_sets"` // best first
}

// GetBuildInfo asks the library.
func GetBuildInfo() (BuildInfo, error) { return document[BuildInfo]("GetBuildInfo", raw.BuildInfo) }

// Ptr makes a pointer to value, for the optional fields of [GenerateOptions], [HealthOptions] and the like.
func Ptr[T any](value T) *T { return &value }
