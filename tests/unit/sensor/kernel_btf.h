// SPDX-License-Identifier: Apache-2.0
//
// The types of kernels that do not run here, as far as the sensor looks at them.
#pragma once

#include <bpf/btf.h>

static inline struct btf *fake_btf_new(void)
{
    struct btf *btf = btf__new_empty();

    assert_non_null(btf);
    assert_int_equal(btf__add_int(btf, "int", 4, BTF_INT_SIGNED), 1);
    return btf;
}

static inline void fake_btf_function(struct btf *btf, const char *name, int n_args)
{
    int proto = btf__add_func_proto(btf, 1);

    assert_true(proto > 0);
    for (int i = 0; i < n_args; i++)
        assert_int_equal(btf__add_func_param(btf, "x", 1), 0);
    assert_true(btf__add_func(btf, name, BTF_FUNC_GLOBAL, proto) > 0);
}

static inline void fake_btf_tracepoint(struct btf *btf, const char *name)
{
    assert_true(btf__add_typedef(btf, name, 1) > 0);
}

// struct file up to 6.17, or with f_path in a union.
static inline void fake_btf_file(struct btf *btf, int in_union)
{
    int holder = 1;

    if (in_union) {
        holder = btf__add_union(btf, "", 4);
        assert_true(holder > 0);
        assert_int_equal(btf__add_field(btf, "f_path", 1, 0, 0), 0);
        assert_int_equal(btf__add_field(btf, "__f_path", 1, 0, 0), 0);
    }
    assert_true(btf__add_struct(btf, "file", 8) > 0);
    assert_int_equal(btf__add_field(btf, "f_mode", 1, 0, 0), 0);
    assert_int_equal(btf__add_field(btf, in_union ? "" : "f_path", holder, 32, 0), 0);
}
