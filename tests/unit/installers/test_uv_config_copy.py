"""Several files of uv's configuration as one, without its folders of files."""

from openvet_install.installers.uv_config_copy import merged, without_links


def test_the_nearest_says_it_and_lists_are_appended():
    near = {"resolution": "lowest", "no-build-package": ["a"], "pip": {"no-deps": False}, "find-links": ["w"]}
    far = {
        "resolution": "highest",
        "no-build-package": ["b"],
        "offline": True,
        "pip": {"no-deps": True, "extra": ["x"]},
    }
    assert merged([near, far]) == {
        "resolution": "lowest",
        "no-build-package": ["a", "b"],
        "pip": {"no-deps": False, "extra": ["x"]},
        "find-links": ["w"],
        "offline": True,
    }
    assert near["pip"] == {"no-deps": False}


def test_no_folder_is_left_and_nothing_of_a_project():
    tables = [
        {"find-links": ["w"], "sources": {"a": {"path": "x"}}},
        {"find-links": ["v"], "pip": {"find-links": ["u"], "no-deps": True}},
        {"pip": {"find-links": ["t"]}},
    ]
    assert without_links(merged(tables)) == 'pip = { "no-deps" = true }\n'.replace("pip =", '"pip" =')
